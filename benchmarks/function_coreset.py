"""Choose lists for single functions of a build: what still shrinks a function after its module was made small.

Usage: python benchmarks/function_coreset.py MODULES OUT.toml [--lists 250] [--modules 120] [--size 12] [--seed 0]
MODULES is a corpus made with `corpus build --modules`. Each module is optimised by the shipped coreset for `text`, as a
build does it; then random lists of function passes run on all functions of the result, and a greedy cover of what they
save, function by function, orders them.
"""

import argparse
import random
from pathlib import Path

import numpy as np

from passformer.autotune.coreset import Coreset, shipped_coreset
from passformer.autotune.cover import cover_improvements, greedy_cover
from passformer.corpus.files import atomic
from passformer.corpus.store import Corpus, Function, draw_order
from passformer.llvm.catalog import searched_passes
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Measurement, Subject, measurer
from passformer.llvm.objective import Objective
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Limits, Pool, Sandbox
from passformer.methods.method import lowered
from passformer.tables import track

FIRST = 4
"""Lists that a build tries on the module by default."""
LENGTHS = (1, 8)


def candidates(number: int, seed: int, major: int) -> list[PassList]:
    """Every function pass alone, and random lists of them."""
    names = [p.name for p in searched_passes(major) if p.kind in ("function", "loop", "loop-mssa")]
    rng = random.Random(f"function coreset {seed}")
    drawn = [PassList(tuple(rng.choices(names, k=rng.randint(*LENGTHS)))) for _ in range(number)]
    return [*(PassList((name,)) for name in names), *drawn]


def sizes(sandbox: Sandbox, module: Function, lists: list[PassList], major: int) -> np.ndarray:
    """(functions, 1 + lists) bytes of each function, before and after each list."""
    first = [OZ, *shipped_coreset("text").pass_lists[:FIRST]]
    subject = Subject(module.ir, text_bytes=True, bitcode=True)
    outcomes = sandbox.map(measurer, subject, [lowered(p).pipeline(major) for p in first])
    best = min((o for o in outcomes if isinstance(o, Measurement)), key=lambda m: m.text_bytes or 0)
    before = best.function_bytes or {}
    outcomes = sandbox.map(measurer, Subject(best.bitcode or b"", text_bytes=True), [p.pipeline(major) for p in lists])
    columns = [before, *((o.function_bytes or {}) if isinstance(o, Measurement) else {} for o in outcomes)]
    rows = np.array([[column.get(name, size) for column in columns] for name, size in before.items()])
    return rows.reshape(len(before), len(columns))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--lists", type=int, default=250)
    parser.add_argument("--max-instructions", type=int, default=6_000)
    parser.add_argument("--num-modules", type=int, default=120)
    parser.add_argument("--size", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    corpus, major = Corpus(arguments.modules), find_toolchain().major
    modules = [m for m in corpus.functions() if m.instructions <= arguments.max_instructions]
    modules = sorted(modules, key=lambda m: draw_order(m.id, arguments.seed))[: arguments.num_modules]
    lists = candidates(arguments.lists, arguments.seed, major)
    with Pool(limits=Limits(cpu_seconds=20)) as pool:
        tasks = pool.map(lambda sandbox, module: sizes(sandbox, module, lists, major), modules)
        table = np.concatenate(list(track(tasks, len(modules), "running lists on functions")))
    order = greedy_cover(table[:, 0], table[:, 1:], arguments.size)
    coreset = Coreset(
        major,
        corpus.protocol,
        Objective.TEXT,
        f"benchmarks/function_coreset.py, {len(table)} functions of {len(modules)} modules, {len(lists)} lists, "
        f"seed {arguments.seed}",
        tuple(lists[i] for i in order),
        tuple(cover_improvements(table[:, 0], table[:, 1:], order)),
    )
    with atomic(arguments.out) as temporary:
        temporary.write_text(coreset.to_toml())


if __name__ == "__main__":
    main()
