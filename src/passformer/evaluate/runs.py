"""Finished evaluations, read back: what reports are made from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from passformer.evaluate import figures
from passformer.evaluate.generation import read_generated
from passformer.evaluate.results import Counts, Result, read_results
from passformer.evaluate.wins import read_wins
from passformer.llvm.errors import InputError


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation."""

    method: str
    budget: int
    summary: dict[str, Any]
    results: tuple[Result, ...]
    """By function id."""
    generated: Sequence[dict[str, Any]] = ()
    """What the method wrote, see `generation.SCHEMA`."""
    wins: Sequence[dict[str, Any]] = ()
    """Functions on which it beats every search, see `wins`."""

    @property
    def baseline(self) -> Counts:
        """(functions,) under -Oz."""
        return np.array([r.baseline for r in self.results], dtype=np.int64)

    @property
    def result(self) -> Counts:
        """(functions,) of the list that was taken."""
        return np.array([r.result for r in self.results], dtype=np.int64)


SEARCHES = {"autotuner": "lists", "autophase": "passes"}
"""Methods whose budget is spent on finding one list, and what it counts: they have no first K lists."""
TRIES = {"coreset-nvp": "passes", **SEARCHES}
"""Those that the paper's tables show by the best of what they try."""


@dataclass(frozen=True, slots=True)
class Runs:
    """All evaluations over the same functions."""

    all: tuple[Run, ...]
    folder: Path
    """Where pictures go."""

    @property
    def one_shot(self) -> tuple[Run, ...]:
        """Without additional compilations."""
        return tuple(run for run in self.all if run.budget == 0)

    @property
    def searches(self) -> tuple[Run, ...]:
        """Of methods that compile each function many times to find one list, -Oz their back-up."""
        return tuple(run for run in self.all if run.budget > 0 and run.method in SEARCHES)

    @property
    def tries(self) -> tuple[Run, ...]:
        """Of methods that the paper's tables show by the best of what they try, `TRIES`."""
        return (*(run for run in self.deepest if run.method in TRIES), *self.searches)

    @property
    def deepest(self) -> tuple[Run, ...]:
        """Of each method that ranks lists, the run with the largest budget: the first K of its lists are those of K."""
        best: dict[str, Run] = {}
        for run in self.all:
            if run.budget > 0 and run.method not in ("oz", *SEARCHES):
                best[run.method] = max(run, best.get(run.method, run), key=lambda r: r.budget)
        return tuple(best.values())

    @property
    def best_improvement(self) -> float | None:
        """Of the best lists known, in percent; None where these are not known."""
        found: float | None = self.all[0].summary["autotuner_improvement"]
        return found

    def gain(self, run: Run) -> int | None:
        """Instructions that the autotuner saves; None where that is not known."""
        if any(r.best is None for r in run.results):
            return None
        return sum(r.baseline - (r.best or 0) for r in run.results)

    def capture(self, run: Run, result: Counts) -> float | None:
        """Percent of the autotuner's gain that `result` (functions,) saves; None where that gain is 0 or unknown."""
        gain = self.gain(run)
        return round(100 * int((run.baseline - result).sum()) / gain, 2) if gain else None


def read_runs(folder: Path) -> tuple[Run, ...]:
    """All that lie below a folder; raises InputError where there are none, or they are of different functions."""
    runs = []
    for file in sorted(folder.glob("**/results.parquet")):
        if (file.parent / "summary.json").exists():
            summary = json.loads((file.parent / "summary.json").read_text())
            results, generated = tuple(read_results(file)), read_generated(file.parent)
            runs.append(Run(summary["method"], summary["budget"], summary, results, generated, read_wins(file.parent)))
    if not runs:
        raise InputError(f"{folder} holds no finished evaluation: run `passformer evaluate --functions {folder}` first")
    ids = [r.function_id for r in runs[0].results]
    for run in runs[1:]:
        if [r.function_id for r in run.results] != ids:
            raise InputError(
                f"{folder}: {run.summary['folder']} is of other functions than {runs[0].summary['folder']}"
            )
    return tuple(sorted(runs, key=lambda run: (figures.rank_of(run.method), run.budget)))
