"""What each attempt at the model gave, and rivals with the same lists, on the same functions of test.

Usage: python benchmarks/attempts.py NAME=METHOD:EVALUATIONS ...
EVALUATIONS is a folder with finished runs of METHOD by `passformer evaluate`, one with budget 0 and one with 64, all of
the same functions; weights that no longer ship are evaluated from git's history with `evaluate --model DIR`. Writes
docs/results/attempts.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from passformer.bench.provenance import provenance
from passformer.evaluate.results import at_budget
from passformer.evaluate.runs import Runs, read_runs

RESULTS = Path(__file__).parent.parent / "docs" / "results"
BUDGETS = (1, 2, 3, 5, 8, 30)


def attempt(name: str, method: str, folder: Path) -> dict[str, Any]:
    """Share of the autotuner's gain, in percent, by budget."""
    runs = Runs(tuple(run for run in read_runs(folder) if run.method == method), folder)
    one_shot, deepest = runs.one_shot[0], runs.deepest[0]
    results = {0: one_shot.result, **{budget: at_budget(deepest.results, budget) for budget in BUDGETS}}
    return {
        "name": name,
        "functions": len(deepest.results),
        "regressed": int((one_shot.result > one_shot.baseline).sum()),
        "capture": {budget: runs.capture(deepest, result) for budget, result in results.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("attempts", nargs="+", metavar="NAME=METHOD:EVALUATIONS")
    rows = []
    for text in parser.parse_args().attempts:
        name, _, where = text.partition("=")
        method, _, folder = where.partition(":")
        rows.append(attempt(name, method, Path(folder)))
    if len({row["functions"] for row in rows}) > 1:
        parser.error("the evaluations are of different functions")
    (RESULTS / "attempts.json").write_text(json.dumps({**provenance(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
