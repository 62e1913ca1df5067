"""What `-Oz` means: the one place that says which front-end flags and which pipeline make the baseline.

Protocol `clang` measures against what a user of `clang -Oz` really gets; protocol `paper` repeats the paper's
weaker baseline (Cummins et al., 2023), `opt -Oz` on IR that clang -O0 made.
"""

from enum import StrEnum

from passformer.llvm.errors import InputError


class Protocol(StrEnum):
    """Which baseline a figure is measured against."""

    CLANG = "clang"
    PAPER = "paper"


def front_end_flags(protocol: Protocol) -> tuple[str, ...]:
    """The clang flags that make the unoptimised IR which `oz_pipeline` of the same protocol starts from."""
    if protocol is Protocol.PAPER:
        return ("-O0", "-Xclang", "-disable-O0-optnone")
    return ("-Oz", "-Xclang", "-disable-llvm-passes")


def oz_pipeline(major: int, protocol: Protocol = Protocol.CLANG) -> str:
    """The pipeline of -Oz for an LLVM version, in the syntax of `opt -passes=`.

    clang's -Oz is the O2 pipeline over functions that carry `minsize optsize`, in each version from 19 to 23;
    `default<Oz>` is another, slightly worse one, which LLVM 23 no longer has.
    """
    if protocol is Protocol.CLANG:
        return "default<O2>"
    if major >= 23:
        raise InputError("protocol `paper` needs `default<Oz>`, which LLVM 23 removed: use LLVM 19 to 22")
    return "default<Oz>"
