"""What the real tuning runs found: improvement per source and split, the gold standard, what 95 % of it costs, labels.

Usage: python benchmarks/tuning_results.py CORPUS [--default default] [--gold gold] [--paper CORPUS]
Writes docs/results/corpus.json (the paper's Tables I and II) and docs/results/autotune.json. `--gold` is a run that
searched on functions of the test split one by one; `--paper` a corpus of protocol `paper` with a run called `default`.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from passformer.autotune.labels import write_labels
from passformer.autotune.tunings import Best, best_of, read_tunings
from passformer.bench.provenance import provenance
from passformer.corpus.stats import corpus_stats
from passformer.corpus.store import Corpus, read_table
from passformer.llvm.sandbox import Pool

RESULTS = Path(__file__).parent.parent / "docs" / "results"
SHARE = 0.95


def by_source(corpus: Corpus, best: dict[str, Best], split: str | None = None) -> dict[str, dict[str, float]]:
    """Source -> functions, improved, instructions under -Oz, improvement in percent; `all` is the last."""
    columns = corpus.columns(["id", "source", "split"]).to_pylist()
    groups: dict[str, list[Best]] = defaultdict(list)
    for row in columns:
        if row["id"] in best and split in (None, row["split"]):
            groups[row["source"]].append(best[row["id"]])
    groups = dict(sorted(groups.items()))
    groups["all"] = [b for members in groups.values() for b in members]
    return {name: summed(members) for name, members in groups.items()}


def summed(members: list[Best]) -> dict[str, float]:
    baseline, count = sum(b.baseline for b in members), sum(b.count for b in members)
    return {
        "functions": len(members),
        "improved": sum(b.count < b.baseline for b in members),
        "instructions": baseline,
        "improvement": round(100 * (baseline - count) / baseline, 3),
    }


def cost_of_share(folder: Path, gold: dict[str, Best]) -> dict[str, Any]:
    """The shortest searches which, with the broadcast, reach SHARE of the gold gain, and what they cost a function."""
    summary = json.loads((folder / "summary.json").read_text())
    broadcast = best_of(read_tunings([folder]), winners=False)
    curves = [row for row in read_table(folder / "searches.parquet").to_pylist() if row["function_id"] in gold]
    baseline = sum(gold[row["function_id"]].baseline for row in curves)
    gain = baseline - sum(gold[row["function_id"]].count for row in curves)
    stage = summary["stages"]["broadcast"]
    broadcast_seconds = stage["cpu_seconds"] / stage["functions"]
    points = []
    for budget in sorted({*range(0, 100, 10), *range(100, 1501, 50)}):
        best, seconds = 0, 0.0
        for row in curves:
            at = int(np.searchsorted(row["compilations"], budget, side="right")) - 1
            best += min(broadcast[row["function_id"]].count, row["best"][max(at, 0)])
            seconds += _seconds_at(row, budget) if budget else 0.0
        share = (baseline - best) / gain
        points.append(
            {
                "search": budget,
                "share": round(share, 4),
                "cpu_seconds": round(broadcast_seconds + seconds / len(curves), 4),
            }
        )
    enough = next((point for point in points if point["share"] >= SHARE), None)
    return {
        "functions": len(curves),
        "broadcast_cpu_seconds": round(broadcast_seconds, 4),
        "points": points,
        "enough": enough,
    }


def _seconds_at(row: dict[str, Any], budget: int) -> float:
    """CPU-seconds of a search when it had made so many compilations; between its points, in proportion."""
    return float(np.interp(budget, row["compilations"], row["cpu_seconds"]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--default", default="default")
    parser.add_argument("--gold", default="gold")
    parser.add_argument("--paper", type=Path)
    parser.add_argument("--verified", type=Path)
    arguments = parser.parse_args()
    corpus = Corpus(arguments.corpus)
    with Pool() as pool:
        stats = corpus_stats(corpus, pool)
    stats.pop("specs")  # folders of this machine
    (RESULTS / "corpus.json").write_text(json.dumps({**stats, **provenance()}, indent=1) + "\n")
    tuned, gold = (corpus.folder / "tunings" / name for name in (arguments.default, arguments.gold))
    searched = set(read_table(gold / "searches.parquet")["function_id"].to_pylist())
    gold_best = {id_: best for id_, best in best_of(read_tunings([gold])).items() if id_ in searched}
    result: dict[str, Any] = {
        "llvm": corpus.manifest["llvm"],
        **provenance(),
        "default": {**_run(tuned), "by_source": by_source(corpus, best_of(read_tunings([tuned])))},
        "gold": {**_run(gold), "by_source": by_source(corpus, gold_best, "test")},
        "cost": cost_of_share(gold, gold_best),
        "labels": write_labels([tuned], corpus.folder / "labels.parquet", arguments.verified),
    }
    result["labels"].pop("file")
    if arguments.paper:
        paper = Corpus(arguments.paper)
        run = paper.folder / "tunings" / "default"
        result["paper"] = {**_run(run), "by_source": by_source(paper, best_of(read_tunings([run])))}
    (RESULTS / "autotune.json").write_text(json.dumps(result, indent=1) + "\n")


def _run(folder: Path) -> dict[str, Any]:
    """Settings, and the summary without what is told elsewhere."""
    summary = json.loads((folder / "summary.json").read_text())
    summary.pop("improvement_by_source")
    return {"settings": json.loads((folder / "settings.json").read_text()), **summary}


if __name__ == "__main__":
    main()
