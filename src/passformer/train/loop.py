"""The training loop: packs in, gradients summed over a step, AdamW, validation and checkpoints now and then."""

import contextlib
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

from passformer.corpus.files import alone, atomic
from passformer.dataset.sequences import Pack
from passformer.llvm.errors import InputError
from passformer.llvm.progress import Report, silent
from passformer.model.hf import DamagedModel, load_hf, save_hf
from passformer.model.llama import Llama, LlamaConfig
from passformer.train.checkpoint import load_checkpoint, save_checkpoint
from passformer.train.config import LoopConfig, OptimSection
from passformer.train.distributed import World, join_world, shard, summed
from passformer.train.metrics import Metrics
from passformer.train.picture import draw_progress
from passformer.train.stream import Stream, feed

Validate = Callable[[Llama, int], dict[str, float]]
"""Measures of a model at a step."""


@dataclass(slots=True)
class Position:
    """How far a run is."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


def train(
    config: LoopConfig,
    tokenizer: Tokenizer,
    stream: Stream,
    run: Path,
    validate: Validate | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """Train or go on in `run`; returns the last figures. The model lies in `run/model` (Hugging Face layout).

    Raises InputError where `run` holds another configuration, a checkpoint is damaged or there is no room for one. On
    Ctrl-C the state is saved first.
    """
    with join_world() as world, alone(run) if world.is_first else contextlib.nullcontext():
        if world.is_first:
            _claim(run, config, tokenizer)
        model = build_model(config, tokenizer).to(world.device)
        dtype = precision(config, world)
        if world.size > 1:
            shard(model, world, dtype)
        if world.device.type == "cuda":
            for layer in model.model.layers:
                layer.compile()
        optimizer = make_optimizer(model, config.optim)
        trainer = _Trainer(config, run, model, optimizer, stream, world, dtype, validate)
        return trainer.run(report)


def build_model(config: LoopConfig, tokenizer: Tokenizer) -> Llama:
    """With fresh weights from the run's seed, or those of the run that it is to begin with.

    Raises InputError where that run is not finished, or its model or tokenizer is another.
    """
    torch.manual_seed(config.run.seed)
    model = Llama(LlamaConfig(vocab_size=tokenizer.get_vocab_size(), **config.model.model_dump()))
    if config.run.init:
        _take_weights(model, Path(config.run.init), tokenizer)
    return model


def _take_weights(model: Llama, run: Path, tokenizer: Tokenizer) -> None:
    try:
        same_tokens = json.loads((run / "tokenizer.json").read_text()) == json.loads(tokenizer.to_str())
        other = load_hf(run / "model")
    except (OSError, ValueError, DamagedModel) as error:
        raise InputError(f"run.init: {run} is no finished training run ({error})") from None
    if not same_tokens or other.config != model.config:
        raise InputError(f"run.init: {run} has another {'model' if same_tokens else 'tokenizer'}")
    model.load_state_dict(other.state_dict())


def make_optimizer(model: Llama, optim: OptimSection) -> torch.optim.AdamW:
    """AdamW; norms do not decay."""
    groups = [
        {"params": parameters, "weight_decay": optim.weight_decay if decays else 0.0}
        for decays, parameters in model.decay_groups()
    ]
    fused = next(model.parameters()).is_cuda
    return torch.optim.AdamW(groups, lr=optim.learning_rate, betas=(optim.beta1, optim.beta2), fused=fused)


def learning_rate(optim: OptimSection, step: int) -> float:
    """Of step `step` (from 0): linear warm-up, then a cosine down to `final_share` at the last step."""
    if step < optim.warmup_steps:
        return optim.learning_rate * (step + 1) / optim.warmup_steps
    done = (step - optim.warmup_steps) / max(1, optim.steps - 1 - optim.warmup_steps)
    share = optim.final_share + (1 - optim.final_share) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return optim.learning_rate * share


def precision(config: LoopConfig, world: World) -> torch.dtype:
    """The type of the arithmetic."""
    if config.run.precision != "auto":
        return torch.float32 if config.run.precision == "float32" else torch.bfloat16
    if world.device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    has_it = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if has_it and "avx512_bf16" in _cpu_flags() else torch.float32


def packs_loss(model: Llama, packs: Sequence[Pack], device: torch.device) -> torch.Tensor:
    """Sum over targets of weight times cross-entropy, in float32; packs go through the model together."""
    ids = torch.from_numpy(np.stack([pack.ids for pack in packs]).astype(np.int64)).to(device)
    weights = np.concatenate([pack.weights for pack in packs])
    previous = np.concatenate([pack.previous + number * ids.shape[1] for number, pack in enumerate(packs)])
    targets = np.flatnonzero(weights)
    places = torch.from_numpy(np.stack([targets, previous[targets]])).to(device)
    documents = [document for pack in packs for document in pack.documents]
    logits, _ = model(ids, documents=documents, at=places[1])  # the output layer runs only where there is a target
    losses = F.cross_entropy(logits.float(), ids.flatten()[places[0]], reduction="none")
    return (losses * torch.from_numpy(weights[targets]).to(device)).sum()


class _Trainer:
    def __init__(
        self,
        config: LoopConfig,
        folder: Path,
        model: Llama,
        optimizer: torch.optim.Optimizer,
        stream: Stream,
        world: World,
        dtype: torch.dtype,
        validate: Validate | None,
    ) -> None:
        self.config, self.folder, self.model, self.optimizer = config, folder, model, optimizer
        self.stream, self.world, self.dtype, self.validate = stream, world, dtype, validate
        self.position = Position()
        self.last: dict[str, Any] = {}
        self.metrics: Metrics | None = None

    def run(self, report: Report) -> dict[str, Any]:
        facts = load_checkpoint(self.folder, self.model, self.optimizer, self.world)
        if facts:
            self.position = Position(facts["step"], facts["tokens"], facts["seconds"])
            self.last = facts["last"]
        self.metrics = Metrics(self.folder, self.position.step) if self.world.is_first else None
        optim = self.config.optim
        per_rank = optim.packs_per_step // self.world.size
        if per_rank * self.world.size != optim.packs_per_step:
            raise InputError(f"packs_per_step {optim.packs_per_step} is no multiple of {self.world.size} processes")
        start = self.position.step * optim.packs_per_step
        packs = feed(self.stream, start, self.world.rank, self.world.size, self.config.run.data_workers)
        try:
            with _interrupts_wait() as interrupted:
                while self.position.step < optim.steps:
                    self._step([next(packs) for _ in range(per_rank)])
                    self._now_and_then()
                    report(f"training: loss {self.last['loss']:.3f}", self.position.step, optim.steps)
                    if interrupted.is_set():
                        self._save()
                        raise KeyboardInterrupt
        finally:
            if self.metrics:
                self.metrics.close()
        self._save()
        if self.world.size == 1:
            save_hf(self.model, self.folder / "model")
        return {**self.last, "steps": self.position.step, "tokens": self.position.tokens, "run": str(self.folder)}

    def _step(self, packs: list[Pack]) -> None:
        started = time.perf_counter()
        self.model.train()
        (total,) = summed([float(sum(pack.weights.sum() for pack in packs))], self.world)
        lr = learning_rate(self.config.optim, self.position.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        loss_sum = 0.0
        at_once = self.config.run.packs_at_once
        for first in range(0, len(packs), at_once):
            with self._arithmetic():
                loss = packs_loss(self.model, packs[first : first + at_once], self.world.device)
            # FSDP averages gradients over the processes; the sum over all of them is wanted.
            (loss * (self.world.size / total)).backward()  # type: ignore[no-untyped-call]
            loss_sum += float(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optim.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.position.step += 1
        tokens, loss_sum = summed([float(sum(len(pack.ids) for pack in packs)), loss_sum], self.world)
        self.position.tokens += int(tokens)
        self.position.seconds += time.perf_counter() - started
        self.last |= {"loss": loss_sum / total, "learning_rate": lr, "gradient_norm": float(norm)}

    def _arithmetic(self) -> Any:
        if self.dtype is torch.float32 or self.world.size > 1:  # sharded weights are in that type already
            return contextlib.nullcontext()
        return torch.autocast(self.world.device.type, dtype=self.dtype)

    def _now_and_then(self) -> None:
        run, step = self.config.run, self.position.step
        if step % run.log_every == 0:
            self._log("train", {k: self.last[k] for k in ("loss", "learning_rate", "gradient_norm")})
        if self.validate and (step % run.validate_every == 0 or step == self.config.optim.steps):
            self.model.eval()
            with self._arithmetic(), torch.compiler.set_stance("force_eager"):  # each prompt is of another length
                figures = self.validate(self.model, step)
            self.last["validation"] = figures
            self._log("validation", figures)
            if self.world.is_first:
                draw_progress(self.folder)
        if step % run.checkpoint_every == 0:
            self._save()

    def _save(self) -> None:
        facts = {"tokens": self.position.tokens, "seconds": self.position.seconds, "last": self.last}
        keep = self.config.run.keep_checkpoints
        save_checkpoint(self.folder, self.position.step, self.model, self.optimizer, facts, self.world, keep)

    def _log(self, kind: str, figures: dict[str, float]) -> None:
        if self.metrics:
            self.metrics.log(kind, asdict(self.position), figures)


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[threading.Event]:
    """Ctrl-C sets the event instead of ending a step half-way."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.signal(signal.SIGINT, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def _claim(run: Path, config: LoopConfig, tokenizer: Tokenizer) -> None:
    """A run folder belongs to one configuration and one tokenizer."""
    readers: dict[str, Callable[[str], Any]]
    readers = {"config.json": type(config).model_validate_json, "tokenizer.json": json.loads}
    wanted = {"config.json": config.model_dump_json(indent=2) + "\n", "tokenizer.json": tokenizer.to_str()}
    for name, text in wanted.items():
        file, read = run / name, readers[name]
        if file.exists() and not _same(file.read_text(), text, read):
            raise InputError(f"{run} holds a run with another {name}: choose another --out, or remove it")
        with atomic(file) as temporary:
            temporary.write_text(text)


def _same(found: str, wanted: str, read: Callable[[str], Any]) -> bool:
    try:
        return bool(read(found) == read(wanted))
    except ValueError:  # of a run of another kind, or damaged
        return False


def _cpu_flags() -> str:
    info = Path("/proc/cpuinfo")
    return info.read_text() if info.exists() else ""
