"""The environment's other half, in a sandbox worker: one function, walked over pass by pass, and what is seen there.

A request names all passes since the beginning. The table of states makes that as cheap as naming the last one, and a
worker that takes the place of a crashed one, or that serves a fork, needs to be told nothing else.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from passformer.autotune.statetable import StateTable
from passformer.baselines.autophase.features import features
from passformer.llvm.module import Module


@dataclass(frozen=True, slots=True)
class Sight:
    """A function after some passes."""

    features: tuple[int, ...]
    """In the order of `FEATURES`."""
    instructions: int
    changed: bool
    """Whether the last pass made a difference."""


_BITCODE = b"BC"


@contextlib.contextmanager
def looker(ir: bytes) -> Iterator[Callable[[Sequence[str]], Sight]]:
    """Pipelines of single passes -> Sight, all of one module (bitcode, or slower IR text), on one table."""
    with Module.parse(ir, names=not ir.startswith(_BITCODE)) as module:
        table = StateTable(module)
        seen: dict[int, tuple[int, ...]] = {}

        def look(pipelines: Sequence[str]) -> Sight:
            before, _ = table.walk(pipelines[:-1])
            state, _ = table.walk(pipelines)
            if id(state) not in seen:  # the table keeps its states, so none takes the place of another
                seen[id(state)] = features(table.module(state))
            return Sight(seen[id(state)], state.instructions, state is not before)

        try:
            yield look
        finally:
            table.close()
