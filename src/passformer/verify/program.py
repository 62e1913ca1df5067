"""What verification works on: candidates, which may be runnable, and programs, known to run the same always."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program with a `main` and inputs, not looked at yet."""

    source: str
    """The SPEC's kind: `jotai`, `csmith`, ..."""
    name: str
    code: Callable[[], bytes]
    """The text, read or generated when it is this candidate's turn."""
    language: str = "c"
    """`c` or `c++`."""
    flags: tuple[str, ...] = ()
    """For clang."""
    inputs: tuple[tuple[str, ...], ...] = ((),)
    """Command lines to run it with, each the arguments after the program's name."""
    reference: Callable[[], bytes] | None = None
    """A second source, of which one function is linked in, unoptimised, for the program to compare with."""
    reference_function: str = ""
    """The name of that function."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run shows."""

    status: int
    """Exit status; a signal is its negative; `TIMEOUT` where it was ended."""
    stdout: bytes

    def __str__(self) -> str:
        ended = "timeout" if self.status == TIMEOUT else f"exit status {self.status}"
        return f"{ended}, {len(self.stdout)} bytes: {self.stdout[-200:].decode(errors='replace')!r}"


TIMEOUT = 1000
"""Status of a run that was ended because it used too much time or wrote too much."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program whose behaviour does not depend on how it is compiled, as far as its references show."""

    source: str
    name: str
    language: str
    ir: bytes
    """Unoptimised bitcode of the whole module, ready for -Oz."""
    instructions: int
    """Of the unoptimised module."""
    companion: bytes
    """An object file that is linked in; empty where there is none."""
    inputs: tuple[tuple[str, ...], ...]
    expected: tuple[Outcome, ...]
    """Of each input."""
    cpu_seconds: float
    """The longest that the references took on one input."""


PROGRAM_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("name", pa.string()),
        ("language", pa.string()),
        ("ir", pa.binary()),
        ("instructions", pa.int32()),
        ("companion", pa.binary()),
        ("inputs", pa.list_(pa.list_(pa.string()))),
        ("expected", pa.list_(pa.struct([("status", pa.int32()), ("stdout", pa.binary())]))),
        ("cpu_seconds", pa.float32()),
    ]
)


def program_of(row: dict) -> Program:  # type: ignore[type-arg]  # a Parquet row
    """Of a row of `PROGRAM_SCHEMA`."""
    row = dict(row)
    row["inputs"] = tuple(tuple(arguments) for arguments in row["inputs"])
    row["expected"] = tuple(Outcome(**outcome) for outcome in row["expected"])
    return Program(**row)
