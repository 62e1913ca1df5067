"""Write docs/results/README.md, and the block of results in README.md, from the JSON files in docs/results.

Usage: python benchmarks/write_results.py
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"
BEGIN = "<!-- results: written by `python benchmarks/write_results.py` from docs/results -->"
END = "<!-- end of results -->"


def read(name: str) -> dict[str, Any]:
    """One result file."""
    data: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return data


def where(data: dict[str, Any]) -> str:
    """LLVM version, machine and commit of a result."""
    return f"LLVM {data['llvm']}, {data['machine']}, commit {data['commit']}"


def summary() -> list[str]:
    """The lines that the README quotes."""
    files, bench, equality = read("optimize-files"), read("bench-compile"), read("oz-equality")
    text, instructions = files["text"], files["instructions"]
    return [
        f"- {text['files']} real files at a budget of {files['budget']}: {text['improvement']:.1f} % fewer bytes of code and "
        f"read-only data than `clang -Oz` in total (objective `text`), {instructions['improvement']:.1f} % fewer "
        f"instructions (objective `instructions`); {text['larger'] + instructions['larger']} files larger.",
        f"- {bench['in_process_per_second']:.0f} evaluations a second on one core, {bench['ratio']:.1f} times as many as by "
        "spawning `opt`.",
        f"- Our `-Oz` is the real one: {equality['equal']} of {equality['files']} real files have the instruction count of "
        "`clang -Oz`.",
    ]


def document() -> list[str]:
    """The page of results."""
    files, bench, equality, stress = map(read, ("optimize-files", "bench-compile", "oz-equality", "sandbox-stress"))
    lines = [
        "# Results",
        "",
        "Written by `python benchmarks/write_results.py` from the JSON files beside this page.",
        "",
    ]
    lines += ["## Whole files, `passformer optimize`", ""]
    lines += [
        f"`benchmarks/optimize_files.py`, budget {files['budget']}, method `{files['method']}`; {where(files)}",
        "",
    ]
    lines += [
        "| objective | files | `clang -Oz` | passformer | saved | median of files | improved | larger | seconds |"
    ]
    lines += ["|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for objective in ("instructions", "text"):
        row = files[objective]
        lines.append(
            f"| {objective} | {row['files']} | {row['baseline']:,} | {row['result']:,} | {row['improvement']:.2f} % | "
            f"{row['median_improvement']:.2f} % | {row['improved']} | {row['larger']} | {row['median_seconds']:.2f} |"
        )
    lines += ["", "## In process against spawned opt", ""]
    lines += [f"`passformer bench compile`: {bench['functions']} functions, {bench['lists']} lists; {where(bench)}", ""]
    lines += ["| how | evaluations/s | times spawned opt |", "|---|---:|---:|"]
    lines += [
        f"| in process, table of results by IR state | {bench['in_process_per_second']:.0f} | {bench['ratio']:.1f} |"
    ]
    lines += [f"| in process, each list whole | {bench['whole_per_second']:.0f} | {bench['ratio_whole']:.1f} |"]
    lines += [f"| spawned opt | {bench['subprocess_per_second']:.0f} | 1 |", ""]
    lines += [
        f"Counts that differ between table and whole runs: {bench['different_counts']} of {bench['evaluations']:,}."
    ]
    lines += ["", "## -Oz in process against `clang -Oz`", ""]
    lines += [f"`benchmarks/oz_equality.py`; {where(equality)}", ""]
    lines += [f"{equality['equal']} of {equality['files']} files have the same number of instructions."]
    lines += ["", "## Random lists of every catalog pass", ""]
    lines += [f"`benchmarks/sandbox_stress.py`; {where(stress)}; each failure in `sandbox-stress.csv`", ""]
    lines += [
        f"{stress['evaluations']:,} lists of {stress['passes']} passes over {stress['functions']} functions, twice: "
    ]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(stress["failures"].items()))
    lines[-1] += (
        f"the parent lived; {kinds}; of {stress['survivors']:,} survivors {stress['same_count_again']:,} had the same "
        f"count in the second run, and {stress['same_failure_kind_again']:,} failures were the same."
    )
    return [*lines, ""]


def main() -> None:
    (RESULTS / "README.md").write_text("\n".join(document()))
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text("\n".join([before + BEGIN, *summary(), END + after]))


if __name__ == "__main__":
    main()
