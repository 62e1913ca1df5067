"""Which passes give different code from run to run? Some order their work by memory addresses.

Each searched pass runs alone, after `-sroa -simplifycfg` and after -Oz on many functions, in several processes that did
different things before, so that addresses differ. Outputs are compared byte by byte.

Usage: python benchmarks/determinism.py OUT.json [--functions FOLDER] [--num-functions 150] [--runs 4] [--all]
"""

import argparse
import hashlib
import json
import random
from collections import Counter
from pathlib import Path

from passformer.bench.provenance import provenance
from passformer.corpus.shipped import load_functions
from passformer.llvm.catalog import catalog
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Measurement, Subject, measurer
from passformer.llvm.passlist import PassList
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.tables import track

BEFORE = ((), ("sroa", "simplifycfg"), ("Oz",))


def outputs(functions: list[bytes], lists: list[PassList], seed: int) -> dict[tuple[int, int], str]:
    """(function, list) -> digest of the resulting bitcode; functions and lists in an order of the seed's own."""
    major = find_toolchain().major
    rng = random.Random(seed)

    def evaluate(sandbox: Sandbox, index: int) -> dict[tuple[int, int], str]:
        order = random.Random(f"{seed} {index}").sample(range(len(lists)), len(lists))
        subject = Subject(functions[index], bitcode=True)
        results = sandbox.map(measurer, subject, [lists[i].pipeline(major) for i in order])
        return {
            (index, i): hashlib.blake2b(r.bitcode or b"").hexdigest() if isinstance(r, Measurement) else r.kind
            for i, r in zip(order, results, strict=True)
        }

    found: dict[tuple[int, int], str] = {}
    with Pool() as pool:
        order = rng.sample(range(len(functions)), len(functions))
        for part in track(pool.map(evaluate, order), len(functions), f"run {seed}"):
            found |= part
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--functions", type=Path)
    parser.add_argument("--num-functions", type=int, default=150)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--all", action="store_true", help="also passes that are not searched")
    arguments = parser.parse_args()
    passes = [p for p in catalog().values() if p.available(find_toolchain().major) and (p.searched or arguments.all)]
    lists = [PassList((*before, p.name)) for p in passes if p.kind != "meta" for before in BEFORE]
    with Sandbox() as sandbox:
        version = sandbox.version()["version"]
        functions = load_functions(sandbox, arguments.functions, arguments.num_functions)
    runs = [outputs(functions, lists, seed) for seed in range(arguments.runs)]
    differing = Counter(lists[key[1]].names[-1] for key in sorted(runs[0]) if len({run[key] for run in runs}) > 1)
    result = {
        "llvm": version,
        "functions": len(functions),
        "runs": len(runs),
        "lists": len(lists),
        "differing": dict(differing.most_common()),
        **provenance(),
    }
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
