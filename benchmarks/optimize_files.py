"""How much smaller `passformer optimize` makes whole files, by both objectives, at one budget.

Usage: python benchmarks/optimize_files.py OUT.json FILE... [--budget 8] [--cflags "..."]
Files that clang rejects are left out and named.
"""

import argparse
import json
import shlex
import statistics
from pathlib import Path
from typing import Any

from passformer.bench.provenance import provenance
from passformer.llvm.errors import InputError
from passformer.llvm.objective import Objective
from passformer.llvm.sandbox import Pool
from passformer.optimize import Optimized, Settings, optimize_file
from passformer.tables import track


def optimize_all(files: list[Path], settings: Settings) -> list[Optimized]:
    """Outcomes of the files that compile."""
    outcomes = []
    with Pool() as pool:
        for path in track(files, len(files), settings.objective):
            try:
                outcomes.append(optimize_file(path, pool, settings))
            except InputError as error:
                print(f"left out: {str(error).splitlines()[0]}")
    return outcomes


def summarise(outcomes: list[Optimized], objective: Objective) -> dict[str, Any]:
    """Sums, the median over files, and how many are larger (none may be)."""
    pairs = [(_size(o.baseline, objective), _size(o.result, objective)) for o in outcomes]
    before, after = (sum(column) for column in zip(*pairs, strict=True))
    return {
        "files": len(pairs),
        "baseline": before,
        "result": after,
        "improvement": round(100 * (before - after) / before, 3),
        "median_improvement": round(statistics.median(100 * (b - a) / b for b, a in pairs), 3),
        "improved": sum(a < b for b, a in pairs),
        "larger": sum(a > b for b, a in pairs),
        "median_seconds": round(statistics.median(o.seconds for o in outcomes), 3),
    }


def _size(candidate: Any, objective: Objective) -> int:
    return int(candidate.instructions if objective is Objective.INSTRUCTIONS else candidate.text_bytes)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--budget", type=int, default=8)
    parser.add_argument("--cflags", default="-w")
    arguments = parser.parse_args()
    result: dict[str, Any] = {"budget": arguments.budget}
    for objective in Objective:
        settings = Settings(
            budget=arguments.budget, objective=objective, clang_flags=tuple(shlex.split(arguments.cflags))
        )
        outcomes = optimize_all(arguments.files, settings)
        result["llvm"] = outcomes[0].llvm
        result[objective.value] = {"method": outcomes[0].method, **summarise(outcomes, objective)}
    result |= provenance()
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
