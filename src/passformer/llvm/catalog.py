"""The pass catalog: every transform pass that a pass list may name, from `passes.csv`.

A row says how the pass is written in a pipeline, at which level it runs, which LLVM versions have it, and whether
automatic searches may use it; where not, why.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

Kind = Literal["meta", "module", "cgscc", "function", "loop", "loop-mssa"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One catalog row."""

    name: str
    """As a pass list spells it, without the dash."""
    kind: Kind
    """The level it runs at; `loop-mssa` is a loop pass that needs MemorySSA, `meta` a whole optimisation level."""
    pipeline: str
    """Its text in `opt -passes=`, without adaptors."""
    since: int
    until: int
    """First and last LLVM major version that accept the text."""
    searched: bool
    """Whether automatic searches may use it."""
    why: str
    """Why it is not searched; empty where it is."""

    def available(self, major: int) -> bool:
        """Whether LLVM of this major version has the pass."""
        return self.since <= major <= self.until


@cache
def catalog() -> dict[str, Pass]:
    """All passes by name, in the order of the file."""
    text = resources.files("passformer.llvm").joinpath("passes.csv").read_text()
    return {row["name"]: _pass(row) for row in csv.DictReader(text.splitlines())}


def searched_passes(major: int) -> tuple[Pass, ...]:
    """What automatic searches draw from on this LLVM version, meta flags included."""
    return tuple(p for p in catalog().values() if p.searched and p.available(major))


def _pass(row: dict[str, str]) -> Pass:
    return Pass(
        name=row["name"],
        kind=row["kind"],  # type: ignore[arg-type]  # a test holds the file to the literal's values
        pipeline=row["pipeline"],
        since=int(row["since"] or 19),
        until=int(row["until"] or 23),
        searched=row["searched"] == "true",
        why=row["why"],
    )
