"""Choose a first coreset for the objective `text`: random lists over whole modules of real libraries, greedy cover.

Usage: python benchmarks/text_coreset.py OUT.toml FOLDER... [--lists 300] [--modules 120] [--size 12] [--seed 0]
Each FOLDER is a source tree (a Debian source package, say); files that do not compile by themselves are left out.
"""

import argparse
import random
from itertools import islice
from pathlib import Path

import numpy as np

from passformer.autotune.coreset import Coreset
from passformer.autotune.cover import cover_improvements, greedy_cover
from passformer.autotune.sample import random_pass_lists
from passformer.corpus.sources.folder import tree_units
from passformer.corpus.unit import Unit
from passformer.llvm.catalog import searched_passes
from passformer.llvm.errors import InputError
from passformer.llvm.frontend import compile_to_bitcode
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Measurement, Subject, measurer
from passformer.llvm.passlist import OZ
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.tables import track

LOST = 2**40


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--lists", type=int, default=300)
    parser.add_argument("--modules", type=int, default=120)
    parser.add_argument("--max-bitcode", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    major = find_toolchain().major
    units = [u for folder in arguments.folders for u in tree_units(folder, "dir") if u.language == "c"]
    random.Random(arguments.seed).shuffle(units)
    searched = random_pass_lists(f"text coreset {arguments.seed}", searched_passes(major))
    lists = [OZ, *islice(searched, arguments.lists)]

    def compile_unit(sandbox: Sandbox, unit: Unit) -> bytes | None:
        assert isinstance(unit.code, Path)
        try:
            bitcode = compile_to_bitcode(unit.code, ["-w", *unit.flags])
        except InputError:
            return None
        return bitcode if len(bitcode) < arguments.max_bitcode else None

    def measure(sandbox: Sandbox, ir: bytes) -> list[int]:
        results = sandbox.map(measurer, Subject(ir, text_bytes=True), [p.pipeline(major) for p in lists])
        return [r.text_bytes if isinstance(r, Measurement) and r.text_bytes is not None else LOST for r in results]

    with Pool() as pool:
        compiled = (bitcode for bitcode in pool.map(compile_unit, units) if bitcode)
        modules = list(islice(compiled, arguments.modules))
        counts = np.array(list(track(pool.map(measure, modules), len(modules), "modules")))
    baseline = counts[:, 0]
    order = greedy_cover(baseline, counts, arguments.size)
    made_by = (
        f"benchmarks/text_coreset.py, {len(modules)} modules, {arguments.lists} random lists, seed {arguments.seed}"
    )
    chosen = tuple(lists[i] for i in order)
    improvements = tuple(cover_improvements(baseline, counts, order))
    arguments.out.write_text(Coreset(major, Protocol.CLANG, "text", made_by, chosen, improvements).to_toml())
    print(arguments.out.read_text())


if __name__ == "__main__":
    main()
