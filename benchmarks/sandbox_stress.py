"""Random lists of *every* catalog pass over real functions, twice: does the parent live, is each death named, are the
survivors' counts the same?

Usage: python benchmarks/sandbox_stress.py OUT --functions FOLDER [--num-functions 100] [--num-lists 200]
Writes OUT.json (summary) and OUT.csv (each failure of the first run with its list).
"""

import argparse
import csv
import json
import time
from collections import Counter
from itertools import islice
from pathlib import Path

from passformer.autotune.sample import random_pass_lists
from passformer.bench.provenance import provenance
from passformer.corpus.shipped import load_functions
from passformer.llvm.catalog import catalog
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Measurement, Subject, measurer
from passformer.llvm.passlist import PassList
from passformer.llvm.sandbox import Failure, Limits, Pool, Sandbox

Outcome = int | Failure
LIMITS = Limits(cpu_seconds=5, memory_mib=3072)


def run(functions: list[bytes], lists: list[list[PassList]]) -> list[list[Outcome]]:
    """Counts or failures, per function and list, in a fresh pool."""
    major = find_toolchain().major

    def evaluate(sandbox: Sandbox, job: tuple[bytes, list[PassList]]) -> list[Outcome]:
        results = sandbox.map(measurer, Subject(job[0]), [p.pipeline(major) for p in job[1]])
        return [r.instructions if isinstance(r, Measurement) else r for r in results]

    with Pool(limits=LIMITS) as pool:
        return list(pool.map(evaluate, zip(functions, lists, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--functions", type=Path)
    parser.add_argument("--num-functions", type=int, default=100)
    parser.add_argument("--num-lists", type=int, default=200)
    arguments = parser.parse_args()
    with Sandbox() as sandbox:
        version = sandbox.version()["version"]
        functions = load_functions(sandbox, arguments.functions, arguments.num_functions)
    passes = [p for p in catalog().values() if p.available(find_toolchain().major)]
    lists = [list(islice(random_pass_lists(f"stress {i}", passes), arguments.num_lists)) for i in range(len(functions))]
    started = time.perf_counter()
    first = run(functions, lists)
    seconds = time.perf_counter() - started
    second = run(functions, lists)
    pairs = [(a, b) for row_a, row_b in zip(first, second, strict=True) for a, b in zip(row_a, row_b, strict=True)]
    failures = [
        (index, pass_list, outcome)
        for index, (row, outcomes) in enumerate(zip(lists, first, strict=True))
        for pass_list, outcome in zip(row, outcomes, strict=True)
        if isinstance(outcome, Failure)
    ]
    survivors = [(a, b) for a, b in pairs if not isinstance(a, Failure)]
    summary = {
        "llvm": version,
        "functions": len(functions),
        "passes": len(passes),
        "evaluations": len(pairs),
        "failures": Counter(f.kind for _, _, f in failures),
        "survivors": len(survivors),
        "same_count_again": sum(a == b for a, b in survivors),
        "same_failure_kind_again": sum(
            isinstance(b, Failure) and a.kind == b.kind for a, b in pairs if isinstance(a, Failure)
        ),
        "seconds": round(seconds, 1),
        **provenance(),
    }
    Path(f"{arguments.out}.json").write_text(json.dumps(summary, indent=2) + "\n")
    with Path(f"{arguments.out}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["function", "kind", "message", "pass_list"])
        writer.writerows([i, f.kind, f.message, str(p)] for i, p, f in failures)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
