"""The signature of all methods."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList
from passformer.llvm.protocol import Protocol as Baseline
from passformer.llvm.sandbox import Pool, Sandbox


@dataclass(frozen=True, slots=True)
class Task:
    """A module to make small: all that a method may look at."""

    ir: bytes
    """Bitcode, ready for the protocol's -Oz."""
    llvm: int
    """Major version."""
    protocol: Baseline = Baseline.CLANG
    objective: str = "instructions"


@dataclass(frozen=True, slots=True)
class Proposal:
    """The answer for one task."""

    pass_lists: tuple[PassList, ...]
    """Distinct, the most promising first. With a budget, -Oz is tried anyway and need not be among them."""
    cpu_seconds: float = 0.0
    """What it took to find them."""
    compilations: int = 0
    """LLVM runs that it took to find them, beyond one of -Oz."""


class Method(Protocol):
    """Proposes pass lists."""

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """A proposal a task, in order.

        `budget` is the number of additional compilations: with 0 the first list is the answer, unseen, and finding it
        may not run LLVM's optimiser; with N > 0 the N first are run beside -Oz and the smallest result is taken.
        """


def available(pass_list: PassList, llvm: int) -> bool:
    """Whether a shipped list may be used: with this LLVM, and as the catalog stands today."""
    return pass_list.searched and all(p.available(llvm) for p in pass_list.passes)


def lowered(pass_list: PassList) -> PassList:
    """The list with -O0 before it, unless it holds some optimisation level.

    Every level of clang, -O0 too, inlines what is marked `always_inline` and lowers coroutines. That is part of what a
    program means, and a list of single passes would leave it undone.
    """
    if any(p.kind == "meta" for p in pass_list.passes):
        return pass_list
    return PassList(("O0", *pass_list.names))


def check_budget(budget: int) -> None:
    """Raises InputError for a number that is none."""
    if budget < 0:
        raise InputError(f"a budget of {budget} additional compilations is negative: use 0 or more")


class Stopwatch:
    """CPU time of this thread and of a sandbox's worker, since it was made; starting the worker is not counted."""

    def __init__(self, sandbox: Sandbox) -> None:
        if not sandbox.cpu_seconds:
            sandbox.version()
        self._sandbox = sandbox
        self._thread, self._worker = time.thread_time(), sandbox.cpu_seconds

    @property
    def cpu_seconds(self) -> float:
        """A worker that was replaced meanwhile took its time with it."""
        return time.thread_time() - self._thread + max(0.0, self._sandbox.cpu_seconds - self._worker)
