"""Compilation units: what every source of programs turns into, whatever its layout on disk."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LENIENT_C = tuple(
    f"-Wno-{error}"
    for error in ("implicit-int", "implicit-function-declaration", "int-conversion", "incompatible-pointer-types")
)
"""What C compilers took for fifty years and clang refuses since version 16."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One program or file from which functions are taken."""

    source: str
    """The SPEC's kind: `ai-soco`, `jotai`, ..."""
    group: str
    """What must not be torn apart by the split: the project, author or problem."""
    name: str
    """For messages: a file name or a seed."""
    code: Path | Callable[[], bytes]
    """The file, or what reads or generates the text (or bitcode) when it is this unit's turn."""
    language: str = "c"
    """`c`, `c++` or `ir`."""
    flags: tuple[str, ...] = ()
    """For clang, beside those that the protocol asks for."""
    folder: Path | None = None
    """Where clang runs; None for the current folder."""
    skip: frozenset[str] = frozenset()
    """Functions that are not the unit's own (the same driver in every file, say)."""
    only: str | None = None
    """The one function that is the unit's own, where the rest is only there to make it compile."""
    standard_headers: bool = False
    """Whether the C++ standard library is to be seen without being included (see `headers`)."""
