"""Training: cross-entropy against normalised values, judged on validation functions after each epoch.

A killed training goes on after the last whole epoch, to the bit where torch computes with one thread: weights begin
from the seed, and an epoch's order follows from the seed and its number.
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
from passformer.baselines.coreset_nvp.batch import collate
from passformer.baselines.coreset_nvp.graph import Graph
from passformer.baselines.coreset_nvp.ranker import BEST, SETTINGS, VOCABULARY, Ranker, read_tensors, save_tensors
from passformer.baselines.coreset_nvp.samples import candidates, make_graphs, read_truths
from passformer.baselines.coreset_nvp.values import Truth, judge, targets
from passformer.baselines.coreset_nvp.vocabulary import Vocabulary, learn_vocabulary
from passformer.corpus.files import alone, atomic, claim
from passformer.corpus.store import Corpus, Split
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool

LATEST, METRICS = "latest.pt", "metrics.json"
"""In a training's folder: what a stopped training goes on from, and a row an epoch."""
_BATCH = 64
"""Functions a step; the publication has 256, of 8 times as many functions."""
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
    coreset is not of its tunings, or the folder holds another training.
    """
    chosen = load_coreset(coreset)
    sizes: dict[Split, int] = {"train": settings.functions, "validation": settings.validation_functions}
    with alone(folder):
        report("reading tunings", 0, 1)
        truths = read_truths(corpus, chosen, sizes)
        report("reading tunings", 1, 1)
        wanted = {
            **asdict(settings),
            "llvm": find_toolchain().major,
            "protocol": corpus.protocol,
            "pass_lists": [str(p) for p in candidates(chosen)],
        }
        claim(folder / SETTINGS, wanted, f"{folder} holds a network that was trained otherwise: choose another --out")
        with Pool(jobs) as pool:
            graphs = make_graphs(corpus, {i for t in truths.values() for i in t.function_ids}, pool, report)
        return _Training(folder, settings, truths, graphs, report).run()


class _Training:
    """Network, optimiser and position of one run."""

    def __init__(
        self, folder: Path, settings: Settings, truths: dict[Split, Truth], graphs: dict[str, Graph], report: Report
    ) -> None:
        self._folder, self._settings, self._report = folder, settings, report
        self._graphs = {split: [graphs[i] for i in truth.function_ids] for split, truth in truths.items()}
        self._validation = truths["validation"]
        self._targets = torch.from_numpy(targets(truths["train"].counts))
        torch.manual_seed(settings.seed)
        self._ranker = Ranker.untrained(self._validation.pass_lists, _vocabulary(folder, self._graphs["train"]))
        self._optimizer = torch.optim.AdamW(
            self._ranker.network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY
        )
        self._steps = math.ceil(len(self._graphs["train"]) / _BATCH)
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
        seen = len(self._graphs["train"]) * (len(self._rows) - started_at)
        return {
            "functions": len(self._graphs["train"]),
            "epochs": len(self._rows),
            "seconds": round(self._seconds, 1),
            "functions_per_second": round(seen / self._seconds, 1) if self._seconds else 0.0,
            "best": max(self._rows, key=_merit),
            "folder": str(self._folder),
        }

    def _epoch(self, epoch: int) -> float:
        """Mean loss of its steps."""
        started, losses = time.perf_counter(), []
        order = np.random.default_rng([self._settings.seed, epoch]).permutation(len(self._graphs["train"]))
        self._ranker.network.train()
        for step in range(self._steps):
            chosen = order[step * _BATCH : (step + 1) * _BATCH]
            losses.append(self._step(epoch * self._steps + step, chosen))
            detail = f"training: epoch {epoch + 1}, loss {np.mean(losses[-100:]):.3f}"
            self._report(detail, epoch * self._steps + step + 1, self._settings.epochs * self._steps)
        self._seconds += time.perf_counter() - started
        return float(np.mean(losses))

    def _step(self, step: int, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * _schedule(step / (self._settings.epochs * self._steps))
        batch = collate([self._graphs["train"][i] for i in chosen], self._ranker.vocabulary)
        loss: Tensor = cross_entropy(self._ranker.network(batch), self._targets[chosen])
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        torch.nn.utils.clip_grad_norm_(self._ranker.network.parameters(), 1.0)
        self._optimizer.step()
        return loss.item()

    def _judged(self) -> dict[str, float]:
        predicted = self._ranker.predict(self._graphs["validation"])
        expected = torch.from_numpy(targets(self._validation.counts))
        loss = cross_entropy(torch.from_numpy(predicted), expected).item()
        return {"loss": round(loss, 4), **judge(self._validation, predicted)}

    def _save(self) -> None:
        weights = self._ranker.network.state_dict()
        if max(self._rows, key=_merit) is self._rows[-1]:
            save_tensors(self._folder / BEST, weights)
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
