"""What tuning costs as the corpus grows: CPU-seconds and seconds for 100 to 10,000 functions.

Usage: python benchmarks/linear_cost.py CORPUS [--seed 0]
Writes docs/results/linear-cost.json and .png. Each size is a whole `autotune` run: a search of 200 lists on a fiftieth
of the functions, then 20 lists on each. Each size holds the functions of the smaller ones.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from passformer.autotune.engine import local_engine
from passformer.autotune.tune import Settings, autotune
from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus, draw_order, write_corpus
from passformer.llvm.sandbox import Limits

RESULTS = Path(__file__).parent.parent / "docs" / "results"
SIZES = (100, 300, 1_000, 3_000, 10_000)


def measure(corpus: Corpus, seed: int) -> list[dict[str, float]]:
    """A row a size."""
    functions = sorted(corpus.functions(["train"]), key=lambda f: draw_order(f.id, f"cost {seed}"))[: SIZES[-1]]
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        for size in SIZES:
            folder = Path(name) / str(size)
            folder.mkdir()
            write_corpus(folder, functions[:size], corpus.manifest)
            settings = Settings(budget=20, sample=size // 50, search_budget=200, seed=seed)
            started = time.perf_counter()
            with local_engine(None, Limits(cpu_seconds=5)) as engine:
                summary = autotune(Corpus(folder), folder / "tunings", engine, settings)
            seconds = time.perf_counter() - started
            rows.append(
                {
                    "functions": size,
                    "instructions": summary["baseline"],
                    "compilations": summary["compilations"],
                    "cpu_seconds": summary["cpu_seconds"] + summary["main_cpu_seconds"],
                    "seconds": seconds,
                }
            )
            print(rows[-1], flush=True)
    return rows


def draw(result: dict[str, Any], file: Path) -> None:
    rows = result["rows"]
    sizes = [row["functions"] for row in rows]
    figure, panel = plt.subplots(figsize=(5.5, 4))
    panel.plot(sizes, [row["cpu_seconds"] for row in rows], "o-", label="CPU-seconds, all processes")
    panel.plot(sizes, [row["seconds"] for row in rows], "s-", label="seconds, two cores")
    through = rows[-1]["cpu_seconds"] / sizes[-1]
    panel.plot(sizes, [through * size for size in sizes], "k:", label="linear through the last point")
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("functions")
    panel.set_ylabel("cost of a tuning run, s")
    panel.grid(alpha=0.3)
    panel.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    corpus = Corpus(arguments.corpus)
    result = {
        "seed": arguments.seed,
        "llvm": corpus.manifest["llvm"],
        **provenance(),
        "rows": measure(corpus, arguments.seed),
    }
    (RESULTS / "linear-cost.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(result, RESULTS / "linear-cost.png")


if __name__ == "__main__":
    main()
