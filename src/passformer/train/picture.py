"""The picture of a run: the paper's Figure 2, and the loss, against tokens seen."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from passformer.train.metrics import read_metrics

PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("loss", "train", (("loss", "loss"),)),
    (
        "fewer instructions than -Oz, %",
        "validation",
        (
            ("improvement", "one-shot"),
            ("improvement_1", "with -Oz back-up"),
            ("unoptimised_improvement", "one-shot, unoptimised IR alone"),
            ("possible", "best known"),
        ),
    ),
    ("error of counts, %", "validation", (("before_error", "before"), ("after_error", "after"))),
    (
        "generated IR, % (BLEU: points)",
        "validation",
        (("bleu", "BLEU"), ("compiles", "compiles"), ("exact_match", "exact match")),
    ),
)


def draw_progress(run: Path) -> None:
    """Write `progress.png` into the run's folder, of what its metrics.jsonl holds."""
    rows = list(read_metrics(run))
    figure, grid = plt.subplots(1, len(PANELS), figsize=(4 * len(PANELS), 3.4))
    for panel, (title, kind, lines) in zip(grid, PANELS, strict=True):
        for name, label in lines:
            points = [(row["tokens"] / 1e6, row[name]) for row in rows if row["kind"] == kind and name in row]
            if points:
                _draw(panel, points, label)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("million tokens")
        panel.grid(alpha=0.3)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(run / "progress.png", dpi=100)
    plt.close(figure)


def _draw(panel: Any, points: list[tuple[float, float]], label: str) -> None:
    panel.plot(*zip(*points, strict=True), marker="o" if len(points) < 40 else None, markersize=3, label=label)
