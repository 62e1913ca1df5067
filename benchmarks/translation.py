"""The paper's Figure 7 and Listing 6: how well a model does what single passes do, and what it gets wrong.

Usage: python benchmarks/translation.py CORPUS RUN
RUN is a run of `passformer translate train`, judged by `passformer translate evaluate`; CORPUS is a tuned corpus, whose
lists say how often each pass stands in lists that improve a function, and in lists that make it larger. Writes
docs/results/translation.json and translation.png.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from passformer.autotune.tunings import LOST, Matrix, read_tunings, to_matrix
from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus
from passformer.translate.translate import measures, read_translated

RESULTS = Path(__file__).parent.parent / "docs" / "results"
EXAMPLES = 3
"""Of each kind of failure."""
FEWEST = 10
"""Test examples of a pass that is drawn: of fewer, percentages say little."""
MEASURES = {
    "bleu": ("BLEU", "o", "#4477aa"),
    "exact_match": ("exact match, %", "s", "#ee6677"),
    "compiles": ("compiles, %", "^", "#228833"),
    "unchanged_bleu": ("BLEU of the code before", "|", "#888888"),
}
"""Measure -> label, marker, colour."""


def frequencies(matrix: Matrix, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Of each pass, in percent: how many of the (function, list) pairs that improved, and that regressed, have it."""
    better = (matrix.counts < matrix.baseline[:, None]).sum(axis=0)
    worse = ((matrix.counts > matrix.baseline[:, None]) & (matrix.counts != LOST)).sum(axis=0)
    has = np.array([[name in pass_list.names for pass_list in matrix.pass_lists] for name in names])
    return {
        name: {
            "improving": 100 * float(up) / max(better.sum(), 1),
            "regressing": 100 * float(down) / max(worse.sum(), 1),
        }
        for name, up, down in zip(names, has @ better, has @ worse, strict=True)
    }


def failures(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Of both kinds, not accepted by LLVM, and accepted but wrong: short ones, each of another pass and function.

    The shortest quarter is left out: it is one-liners.
    """
    chosen = []
    for kind, of_kind in (
        ("does not compile", [row for row in rows if row["error"]]),
        ("compiles, but is not what the pass makes", [row for row in rows if not row["error"] and not row["exact"]]),
    ):
        picked: list[dict[str, Any]] = []
        ordered = sorted(of_kind, key=lambda row: (len(row["before"]), row["function_id"], row["pass_name"]))
        for row in ordered[len(ordered) // 4 :]:
            if all(row[key] != other[key] for other in picked for key in ("pass_name", "function_id")):
                picked.append(row)
        kept = ("pass_name", "before", "after", "written", "error")
        chosen += [{"kind": kind, **{name: row[name] for name in kept}} for row in picked[:EXAMPLES]]
    return chosen


def draw(by_pass: dict[str, dict[str, float]]) -> None:
    """A row a pass, the best BLEU at the top."""
    names = [name for name, figures in by_pass.items() if figures["examples"] >= FEWEST]
    places = np.arange(len(names))
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 0.22 * len(names) + 1.6), sharey=True, width_ratios=(3, 2))
    for measure, (label, marker, colour) in MEASURES.items():
        values = [by_pass[name][measure] for name in names]
        left.plot(values, places, marker, color=colour, label=label, markersize=5)
    left.set_yticks(places, names)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set_xlim(-2, 102)
    left.set_xlabel("of test examples")
    for height, (kind, colour) in zip((-0.2, 0.2), (("improving", "#228833"), ("regressing", "#ee6677")), strict=True):
        right.barh(places + height, [by_pass[name][kind] for name in names], 0.4, color=colour, label=f"{kind} lists")
    right.set_xlabel("lists that have the pass, %")
    for panel in (left, right):
        panel.grid(alpha=0.3)
        panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    figure.tight_layout()
    figure.savefig(RESULTS / "translation.png", dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("run", type=Path)
    arguments = parser.parse_args()
    rows = read_translated(arguments.run)
    figures = measures(rows)
    names = list(figures["by_pass"])
    shares = frequencies(to_matrix(read_tunings([arguments.corpus / "tunings" / "default"])), names)
    by_pass = {name: {**figures["by_pass"][name], **shares[name]} for name in names}
    draw(by_pass)
    result = {
        "llvm": Corpus(arguments.corpus).manifest["llvm"],
        **provenance(),
        "config": json.loads((arguments.run / "config.json").read_text()),
        "trained_on": json.loads((arguments.run / "source.json").read_text()),
        **figures,
        "by_pass": by_pass,
        "failures": failures(rows),
    }
    (RESULTS / "translation.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
