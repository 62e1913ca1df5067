"""How the rivals that ship were trained: AutoPhase's agent by episodes, Coreset-NVP's networks by epochs.

Usage: python benchmarks/baseline_training.py
Reads what their trainings left in src/passformer/baselines/weights; writes docs/results/baseline-training.json and
baseline-training.png.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from passformer.bench.provenance import provenance

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"
WEIGHTS = ROOT / "src" / "passformer" / "baselines" / "weights"


def read(rival: str, file: str) -> Any:
    """A JSON file of a rival's."""
    return json.loads((WEIGHTS / rival / file).read_text())


def best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The row whose policy or network was kept, as both trainings choose."""
    return max(rows, key=lambda row: (row["improvement"], -row.get("loss", 0)))


def draw(autophase: list[dict[str, Any]], coreset_nvp: list[dict[str, Any]]) -> None:
    """Improvement on validation functions: with the smallest state or list kept, and with what is chosen alone."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4))
    curves = (
        ("AutoPhase", autophase, "episodes", "alone", "without -Oz as back-up"),
        ("Coreset-NVP", coreset_nvp, "epoch", "one_shot", "first list, unseen"),
    )
    for panel, (title, rows, across, unverified, label) in zip(panels, curves, strict=True):
        for key, name in (("improvement", "as it is used"), (unverified, label)):
            panel.plot([row[across] for row in rows], [row[key] for row in rows], marker=".", label=name)
        panel.axvline(best(rows)[across], color="#888888", linestyle=":", label="ships")
        panel.set_title(title)
        panel.xaxis.set_major_formatter("{x:,.0f}")
        panel.set_xlabel(f"{across}s" if across == "epoch" else across)
        panel.set_ylabel("fewer instructions than -Oz, %")
        panel.grid(alpha=0.3)
        panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=3, frameon=False)
    figure.tight_layout()
    figure.savefig(RESULTS / "baseline-training.png", dpi=100)


def main() -> None:
    progress, metrics = read("autophase", "progress.json"), read("coreset_nvp", "metrics.json")
    draw(progress, metrics)
    agent, tried = read("autophase", "settings.json"), read("coreset_nvp", "tried.json")
    result = {
        **provenance(),
        "autophase": {
            "episodes": progress[-1]["episodes"],
            "functions": agent["functions"],
            "validation_functions": agent["validation_functions"],
            "best": best(progress),
            "last": progress[-1],
        },
        "coreset_nvp": [
            {
                **{key: row[key] for key in ("width", "blocks", "batch", "lists", "device", "seconds", "epochs_done")},
                **row["best"],
                "ships": row["best"] == best(metrics),
            }
            for row in tried
        ],
    }
    (RESULTS / "baseline-training.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
