"""Choose lists for single functions of a build: what still shrinks a function after its module was made small.

Usage: python benchmarks/function_coreset.py MODULES OUT.toml [--modules 100] [--rounds 5] [--lists 100] [--size 16]
MODULES is a corpus made with `corpus build --modules`. Each module is optimised by the first shipped lists for `text`,
as a build does it; then lists of function passes run on all functions of the result. The first round tries every pass
alone and random lists, each further one small changes to what a greedy cover of the savings, function by function,
has chosen so far. OUT is written after each round.
"""

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from passformer.autotune.coreset import Coreset, shipped_coreset
from passformer.autotune.cover import cover_improvements, greedy_cover
from passformer.autotune.search import mutate
from passformer.corpus.files import atomic
from passformer.corpus.store import Corpus, Function, draw_order
from passformer.llvm.catalog import Pass, searched_passes
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Measurement, Subject, function_measurer, measurer
from passformer.llvm.objective import Objective
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Failure, Limits, Pool, Sandbox
from passformer.methods.method import lowered
from passformer.tables import track

Table = npt.NDArray[np.int64]
FIRST = 2
"""Lists that a build tries on the module by default."""
PARENTS = 24
LENGTHS = (1, 8)


@dataclass(frozen=True, slots=True)
class Base:
    """A module as the first stage of a build leaves it."""

    bitcode: bytes
    function_bytes: Mapping[str, int]


def base_of(major: int, sandbox: Sandbox, module: Function) -> Base | None:
    """None where LLVM fails."""
    first = [OZ, *shipped_coreset("text").pass_lists[:FIRST]]
    subject = Subject(module.ir, text_bytes=True, bitcode=True)
    outcomes = sandbox.map(measurer, subject, [lowered(p).pipeline(major) for p in first])
    measured = [o for o in outcomes if isinstance(o, Measurement)]
    if not measured:
        return None
    best = min(measured, key=lambda m: m.text_bytes or 0)
    return Base(best.bitcode or b"", best.function_bytes or {})


def sizes(lists: Sequence[PassList], major: int, sandbox: Sandbox, base: Base) -> Table:
    """(functions, lists) bytes of each function after each list; as before where LLVM fails."""
    outcomes = sandbox.map(function_measurer, base.bitcode, [p.pipeline(major) for p in lists])
    columns = [{} if isinstance(o, Failure) else o for o in outcomes]
    rows = [[column.get(name, size) for column in columns] for name, size in base.function_bytes.items()]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(columns))


def candidates(
    known: Sequence[PassList], chosen: Sequence[PassList], number: int, passes: Sequence[Pass], rng: random.Random
) -> list[PassList]:
    """Lists that were not tried: at first every pass alone and random ones, then changes to the chosen ones."""
    found: dict[PassList, None] = {} if chosen else {PassList((p.name,)): None for p in passes}
    names = [p.name for p in passes]
    while number > 0:
        drawn = PassList(tuple(rng.choices(names, k=rng.randint(*LENGTHS))))
        new = mutate(rng.choice(chosen), chosen, rng, passes) if chosen else drawn
        if new not in found and new not in known and new != OZ:
            found[new] = None
            number -= 1
    return list(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--max-instructions", type=int, default=6_000)
    parser.add_argument("--num-modules", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lists", type=int, default=100)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int)
    arguments = parser.parse_args()
    corpus, major = Corpus(arguments.modules), find_toolchain().major
    passes = [p for p in searched_passes(major) if p.kind in ("function", "loop", "loop-mssa")]
    modules = [m for m in corpus.functions() if m.instructions <= arguments.max_instructions]
    modules = sorted(modules, key=lambda m: draw_order(m.id, arguments.seed))[: arguments.num_modules]
    rng = random.Random(f"function coreset {arguments.seed}")
    lists: list[PassList] = []
    chosen: list[PassList] = []
    with Pool(arguments.jobs, limits=Limits(cpu_seconds=60)) as pool:
        found = pool.map(partial(base_of, major), modules)
        bases = [base for base in track(found, len(modules), "optimising modules") if base and base.function_bytes]
        before = np.concatenate([list(base.function_bytes.values()) for base in bases])
        table = np.zeros((len(before), 0), dtype=np.int64)
        for number in range(arguments.rounds):
            new = candidates(lists, chosen, arguments.lists, passes, rng)
            tasks = pool.map(partial(sizes, new, major), bases)
            columns = np.concatenate(list(track(tasks, len(bases), f"round {number + 1}")))
            lists, table = [*lists, *new], np.concatenate([table, columns], axis=1)
            chosen = [lists[i] for i in greedy_cover(before, table, PARENTS)]
            order = greedy_cover(before, table, arguments.size)
            coreset = Coreset(
                major,
                corpus.protocol,
                Objective.TEXT,
                f"benchmarks/function_coreset.py, {len(table)} functions of {len(bases)} modules, {len(lists)} lists, "
                f"seed {arguments.seed}",
                tuple(lists[i] for i in order),
                tuple(cover_improvements(before, table, order)),
            )
            with atomic(arguments.out) as temporary:
                temporary.write_text(coreset.to_toml())
            print([round(value, 2) for value in coreset.improvements], flush=True)


if __name__ == "__main__":
    main()
