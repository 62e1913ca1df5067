"""Training runs side by side: what each changed in its configuration, and its validation at the end.

Usage: python benchmarks/training_runs.py RUN ...   (the shipped one last)
Each run's validation asks in both of its forms: the one without the IR after -Oz, and the one with it. Writes
docs/results/training-runs.json, and the last run's picture as training.png.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from passformer.bench.provenance import provenance
from passformer.train.metrics import read_metrics

RESULTS = Path(__file__).parent.parent / "docs" / "results"
SECTIONS = ("model", "data", "optim")
BUDGETS = (1, 2, 3, 5)


def settings(run: Path) -> dict[str, Any]:
    """Of the sections that change what is learnt."""
    config = json.loads((run / "config.json").read_text())
    return {key: value for section in SECTIONS for key, value in config[section].items()}


def row(run: Path, shipped: dict[str, Any]) -> dict[str, Any]:
    """A run, how its settings differ from the shipped one's, and its captures, % of what the best lists known give."""
    rows = list(read_metrics(run))
    last = [r for r in rows if r["kind"] == "validation"][-1]
    mine = settings(run)
    prefixes = {"without the IR after -Oz": "unoptimised_", "with it": ""}
    return {
        "name": run.name,
        "changed": {key: mine.get(key) for key in sorted({*mine, *shipped}) if mine.get(key) != shipped.get(key)},
        "step": last["step"],
        "tokens": last["tokens"],
        "hours": last["seconds"] / 3600,
        "forms": {
            name: {
                "functions": last[f"{prefix}functions"],
                "capture": {k: 100 * last[f"{prefix}improvement_{k}"] / last[f"{prefix}possible"] for k in BUDGETS},
            }
            for name, prefix in prefixes.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    last = arguments.runs[-1]
    result = {**provenance(), "budgets": BUDGETS, "rows": [row(run, settings(last)) for run in arguments.runs]}
    (RESULTS / "training-runs.json").write_text(json.dumps(result, indent=1) + "\n")
    shutil.copy(last / "progress.png", RESULTS / "training.png")


if __name__ == "__main__":
    main()
