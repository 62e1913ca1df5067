"""Searches compared: improvement against compilations and against CPU-seconds, on functions of the test split.

Usage: python benchmarks/search_curves.py CORPUS [--functions 100] [--budget 1500] [--seed 0]
Writes docs/results/search-curves.json and .png. The three ways take turns function by function, so that they see the
same machine.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from passformer.autotune.search import SEARCHES
from passformer.autotune.statetable import explorer, whole_runner
from passformer.autotune.trial import Point, Trial
from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus, Function, draw_order
from passformer.llvm.catalog import searched_passes
from passformer.llvm.sandbox import Limits, Pool, Sandbox
from passformer.tables import track

RESULTS = Path(__file__).parent.parent / "docs" / "results"
WAYS: dict[str, tuple[str, Any]] = {
    "random, each list whole": ("random", whole_runner),
    "random, table of states": ("random", explorer),
    "mutation, table of states": ("mutation", explorer),
}


def search_all(sandbox: Sandbox, function: Function, llvm: int, budget: int, seed: int) -> dict[str, list[Point]]:
    """The curve of each way on one function."""
    curves = {}
    for way, (search, evaluator) in WAYS.items():
        sandbox.kill()  # a worker keeps its table of a function, and no way is to profit from another
        trial = Trial(sandbox, function.ir, llvm, budget, evaluator=evaluator)
        SEARCHES[search](trial, random.Random(f"{seed} {function.id}"), searched_passes(llvm))
        curves[way] = trial.curve
    return curves


def improvement(curves: list[list[Point]], axis: str, grid: list[float]) -> list[float]:
    """In percent over all functions, if each may spend so much of `axis`; nothing is found before the first point."""
    baseline = sum(curve[0].best for curve in curves)
    best = np.zeros(len(grid))
    for curve in curves:
        spent = np.array([getattr(point, axis) for point in curve])
        at = np.searchsorted(spent, grid, side="right") - 1
        best += np.array([point.best for point in curve])[np.maximum(at, 0)]
    return [round(float(v), 4) for v in 100 * (baseline - best) / baseline]


def draw(result: dict[str, Any], file: Path) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for panel, axis, label in zip(
        panels,
        ("compilations", "cpu_seconds"),
        ("compilations a function", "CPU-seconds a function, mean"),
        strict=True,
    ):
        for way in WAYS:
            panel.plot(result["grid"][axis], result["improvement"][axis][way], label=way)
        panel.set_xscale("log")
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("fewer instructions than clang -Oz, %")
    panels[0].legend()
    figure.suptitle(f"Searches on {result['functions']} test functions, LLVM {result['llvm']}")
    figure.tight_layout()
    figure.savefig(file, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--functions", type=int, default=100)
    parser.add_argument("--budget", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    corpus = Corpus(arguments.corpus)
    functions = sorted(corpus.functions(["test"]), key=lambda f: draw_order(f.id, arguments.seed))
    functions = functions[: arguments.functions]
    llvm = int(corpus.manifest["llvm"].split(".")[0])
    with Pool(limits=Limits(cpu_seconds=5)) as pool:
        tasks = pool.map(lambda s, f: search_all(s, f, llvm, arguments.budget, arguments.seed), functions)
        found = list(track(tasks, len(functions), "searching"))
    last = {way: [curves[way][-1].cpu_seconds for curves in found] for way in WAYS}
    slowest = max(sum(seconds) for seconds in last.values()) / len(found)
    grids: dict[str, list[float]] = {
        "compilations": np.unique(np.geomspace(1, arguments.budget, 60).round()).tolist(),
        "cpu_seconds": np.geomspace(0.005, 2 * slowest, 60).round(5).tolist(),
    }
    result: dict[str, Any] = {
        "functions": len(found),
        "budget": arguments.budget,
        "seed": arguments.seed,
        "llvm": corpus.manifest["llvm"],
        **provenance(),
        "mean_cpu_seconds": {way: round(sum(seconds) / len(found), 4) for way, seconds in last.items()},
        "grid": grids,
        "improvement": {
            axis: {way: improvement([curves[way] for curves in found], axis, grid) for way in WAYS}
            for axis, grid in grids.items()
        },
    }
    (RESULTS / "search-curves.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(result, RESULTS / "search-curves.png")


if __name__ == "__main__":
    main()
