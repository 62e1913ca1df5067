"""What a corpus holds: the paper's Tables I (training data) and II (test data)."""

from collections import defaultdict
from typing import Any

from passformer.corpus.store import Corpus, Function
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Measurement, Subject, measurer
from passformer.llvm.protocol import oz_pipeline
from passformer.llvm.sandbox import Pool, Sandbox


def corpus_stats(corpus: Corpus, pool: Pool) -> dict[str, Any]:
    """The manifest's counts, and rows of Table I (`train`) and II (`test`) by source.

    A row holds `functions`, `instructions` (unoptimised) and `bytes` (bitcode); in `test` also `oz_instructions`, for
    which -Oz is run.
    """
    rows: dict[str, dict[str, dict[str, int]]] = {split: defaultdict(_row) for split in ("train", "validation", "test")}
    test = []
    for function in corpus.functions():
        row = rows[function.split][function.source]
        row["functions"] += 1
        row["instructions"] += function.instructions
        row["bytes"] += len(function.ir)
        if function.split == "test":
            test.append(function)
    pipeline = oz_pipeline(find_toolchain().major, corpus.protocol)

    def oz(sandbox: Sandbox, function: Function) -> int:
        result = next(sandbox.map(measurer, Subject(function.ir), [pipeline]))
        return result.instructions if isinstance(result, Measurement) else function.instructions

    for function, count in zip(test, pool.map(oz, test), strict=True):
        row = rows["test"][function.source]
        row["oz_instructions"] = row.get("oz_instructions", 0) + count
    kept = ("llvm", "protocol", "specs", "functions", "instructions", "by_source", "duplicates_removed", "failed")
    return {key: corpus.manifest[key] for key in kept} | {split: dict(sources) for split, sources in rows.items()}


def _row() -> dict[str, int]:
    return {"functions": 0, "instructions": 0, "bytes": 0}


def to_markdown(stats: dict[str, Any]) -> str:
    """Tables I and II as Markdown."""
    lines = [f"LLVM {stats['llvm']}, protocol `{stats['protocol']}`, {stats['functions']:,} functions.", ""]
    for number, split, title in (("I", "train", "Training data"), ("II", "test", "Test data")):
        columns = ["functions", "instructions", "bytes"] + (["oz_instructions"] if split == "test" else [])
        heads = {
            "functions": "functions",
            "instructions": "unoptimised instructions",
            "bytes": "bitcode",
            "oz_instructions": "-Oz instructions",
        }
        lines += [f"**Table {number}. {title}**", ""]
        lines += ["| source | " + " | ".join(heads[c] for c in columns) + " |"]
        lines += ["|---|" + "---:|" * len(columns)]
        sources = sorted(stats[split].items())
        total = {c: sum(row.get(c, 0) for _, row in sources) for c in columns}
        lines += [_markdown_row(name, row, columns) for name, row in [*sources, ("total", total)]]
        lines.append("")
    return "\n".join(lines)


def _markdown_row(name: str, row: dict[str, int], columns: list[str]) -> str:
    cells = [f"{row.get(c, 0) / 1e6:.1f} MB" if c == "bytes" else f"{row.get(c, 0):,}" for c in columns]
    return f"| {name} | " + " | ".join(cells) + " |"
