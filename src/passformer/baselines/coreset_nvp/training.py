"""Training: cross-entropy against normalised values, judged on validation functions after each epoch.

A killed training goes on after the last whole epoch: weights begin from the seed, and an epoch's order follows from the
seed and its number. To the bit where torch computes with one thread on a processor; a GPU adds in any order.
"""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from passformer.autotune.coreset import load_coreset
from passformer.baselines.coreset_nvp.batch import encode
from passformer.baselines.coreset_nvp.graph import Graph
from passformer.baselines.coreset_nvp.network import NUM_HEADS
from passformer.baselines.coreset_nvp.ranker import BEST, SETTINGS, VOCABULARY, Ranker, read_tensors, save_tensors
from passformer.baselines.coreset_nvp.samples import (
    Samples,
    candidates,
    make_samples,
    read_samples,
    read_truths,
    write_samples,
)
from passformer.baselines.coreset_nvp.values import judge, targets
from passformer.baselines.coreset_nvp.vocabulary import Vocabulary, learn_vocabulary
from passformer.corpus.files import alone, atomic, claim
from passformer.corpus.store import Corpus, Split
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool

LATEST, METRICS, SAMPLES = "latest.pt", "metrics.json", "samples.parquet"
"""In a training's folder: what a stopped training goes on from, a row an epoch, what is learnt from."""
_LEARNING_RATE = 1e-3
_WEIGHT_DECAY = 1e-6
"""As published."""
_WARM_UP = 0.05
"""Share of the steps."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a training is; one that was stopped goes on with the same only."""

    functions: int = 30_000
    """Of the train split, drawn by their ids; fewer where fewer are tuned."""
    validation_functions: int = 2_000
    epochs: int = 10
    batch: int = 64
    """Functions a step; the publication has 256, of 8 times as many functions."""
    width: int = 64
    blocks: int = 4
    """Of the network; the publication has 256 and 8, on GPUs."""
    seed: int = 0


def train(
    corpus: Corpus,
    folder: Path,
    coreset: Path,
    settings: Settings = Settings(),
    jobs: int | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """Train in `folder` or go on there; the epoch whose ranking saves most on validation is kept in `best.pt`.

    Returns `functions`, `epochs`, `seconds` and `functions_per_second` (of this run's epochs; judging is not counted),
    `best` (the row of `metrics.json` that is kept) and `folder`. Raises InputError where the corpus is not tuned, the
    coreset is not of its tunings, the folder holds another training, or the width is no multiple of the heads.
    """
    if settings.width % NUM_HEADS:
        raise InputError(f"a network of {NUM_HEADS} heads cannot be {settings.width} wide: take a multiple of them")
    chosen = load_coreset(coreset)
    made_of = {
        "llvm": find_toolchain().major,
        "protocol": corpus.protocol,
        "pass_lists": [str(p) for p in candidates(chosen)],
        "functions": settings.functions,
        "validation_functions": settings.validation_functions,
    }
    with alone(folder):
        report("reading samples", 0, 1)
        samples = read_samples(folder / SAMPLES, made_of)
        sizes: dict[Split, int] = {"train": settings.functions, "validation": settings.validation_functions}
        truths = {} if samples else read_truths(corpus, chosen, sizes)
        report("reading samples", 1, 1)
        complaint = f"{folder} holds a network that was trained otherwise: choose another --out"
        claim(folder / SETTINGS, {**asdict(settings), **made_of}, complaint)
        if not samples:
            with Pool(jobs) as pool:
                samples = make_samples(corpus, truths, pool, report)
            write_samples(folder / SAMPLES, samples, made_of)
        return _Training(folder, settings, samples, report).run()


class _Training:
    """Network, optimiser and position of one run, on a GPU where there is one."""

    def __init__(self, folder: Path, settings: Settings, samples: dict[Split, Samples], report: Report) -> None:
        self._folder, self._settings, self._report = folder, settings, report
        self._train, self._validation = samples["train"], samples["validation"]
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        vocabulary = _vocabulary(folder, self._train.graphs)
        self._encoded = encode(self._train.graphs, vocabulary, self._device)
        self._targets = torch.from_numpy(targets(self._train.truth.counts)).to(self._device)
        torch.manual_seed(settings.seed)
        pass_lists = self._train.truth.pass_lists
        self._ranker = Ranker.untrained(pass_lists, vocabulary, settings.width, settings.blocks)
        self._ranker.network.to(self._device)
        self._optimizer = torch.optim.AdamW(
            self._ranker.network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY
        )
        self._steps = math.ceil(len(self._train.graphs) / settings.batch)
        """Of an epoch."""
        self._rows: list[dict[str, Any]] = []
        self._seconds = 0.0
        self._resume()

    def run(self) -> dict[str, Any]:
        started_at = len(self._rows)
        for epoch in range(started_at, self._settings.epochs):
            loss = self._epoch(epoch)
            self._rows.append({"epoch": epoch + 1, "train_loss": round(loss, 4), **self._judged()})
            self._save()
        seen = len(self._train.graphs) * (len(self._rows) - started_at)
        return {
            "functions": len(self._train.graphs),
            "epochs": len(self._rows),
            "seconds": round(self._seconds, 1),
            "functions_per_second": round(seen / self._seconds, 1) if self._seconds else 0.0,
            "best": max(self._rows, key=_merit),
            "folder": str(self._folder),
        }

    def _epoch(self, epoch: int) -> float:
        """Mean loss of its steps."""
        started, losses = time.perf_counter(), []
        shuffled = np.random.default_rng([self._settings.seed, epoch]).permutation(len(self._train.graphs))
        order = torch.from_numpy(shuffled).to(self._device)
        self._ranker.network.train()
        for step in range(self._steps):
            chosen = order[step * self._settings.batch : (step + 1) * self._settings.batch]
            losses.append(self._step(epoch * self._steps + step, chosen))
            detail = f"training: epoch {epoch + 1}, loss {np.mean(losses[-100:]):.3f}"
            self._report(detail, epoch * self._steps + step + 1, self._settings.epochs * self._steps)
        self._seconds += time.perf_counter() - started
        return float(np.mean(losses))

    def _step(self, step: int, chosen: Tensor) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * _schedule(step / (self._settings.epochs * self._steps))
        loss: Tensor = cross_entropy(self._ranker.network(self._encoded.batch(chosen)), self._targets[chosen])
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        torch.nn.utils.clip_grad_norm_(self._ranker.network.parameters(), 1.0)
        self._optimizer.step()
        return loss.item()

    def _judged(self) -> dict[str, float]:
        predicted = self._ranker.rounded().predict(self._validation.graphs)
        expected = torch.from_numpy(targets(self._validation.truth.counts))
        loss = cross_entropy(torch.from_numpy(predicted), expected).item()
        return {"loss": round(loss, 4), **judge(self._validation.truth, predicted)}

    def _save(self) -> None:
        weights = self._ranker.network.state_dict()
        if max(self._rows, key=_merit) is self._rows[-1]:
            save_tensors(self._folder / BEST, {name: tensor.half() for name, tensor in weights.items()})
        state = {"network": weights, "optimizer": self._optimizer.state_dict(), "rows": self._rows}
        with atomic(self._folder / METRICS) as temporary:
            temporary.write_text(json.dumps(self._rows, indent=1) + "\n")
        save_tensors(self._folder / LATEST, state)  # the last: what is killed before it does the epoch again

    def _resume(self) -> None:
        path = self._folder / LATEST
        if not path.exists():
            return
        try:
            state = read_tensors(path)
            self._ranker.network.load_state_dict(state["network"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._rows = state["rows"]
        except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged ({str(error)[:100]!r}): remove it to train from the start") from None


def _merit(row: dict[str, Any]) -> tuple[float, float]:
    """What makes an epoch the best one; of equal ones the first."""
    return row["improvement"], -row["loss"]


def _vocabulary(folder: Path, graphs: Sequence[Graph]) -> Vocabulary:
    """Learnt once: weights belong to its numbers."""
    path = folder / VOCABULARY
    if not path.exists():
        with atomic(path) as temporary:
            temporary.write_text(learn_vocabulary(graphs).to_json())
    return Vocabulary.from_json(path.read_text())


def _schedule(done: float) -> float:
    """Linear warm-up, then a cosine down to nothing."""
    return min(1.0, done / _WARM_UP + 0.01) * (1 + math.cos(math.pi * done)) / 2
