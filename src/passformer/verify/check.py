"""Does a program compiled with a pass list behave as its references do? Runs in sandbox workers."""

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from passformer.llvm.measure import render
from passformer.llvm.module import Module
from passformer.verify.execute import RunLimits, leave_network, link, run_program
from passformer.verify.program import Outcome, Program

Optimise = Callable[[Module, str], bytes]
"""What makes optimised bitcode of a module and a pipeline; another than `optimise` is for tests."""


@dataclass(frozen=True, slots=True)
class Case:
    """One program, and all that a worker needs to check pass lists on it."""

    program: Program
    link_command: tuple[str, ...]
    optimise: Optimise


@dataclass(frozen=True, slots=True)
class Difference:
    """One run that was not as expected."""

    arguments: tuple[str, ...]
    expected: Outcome
    got: Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one pass list did to one program."""

    runs: int
    """Executions, up to the first difference; none where another pipeline gave the same executable."""
    difference: Difference | None
    isolated: bool
    """Whether the runs had no network."""


def optimise(module: Module, pipeline: str) -> bytes:
    """The bitcode of a copy of the module after a pipeline, checked by LLVM's verifier."""
    with module.clone() as copy:
        copy.run(pipeline)
        copy.verify()
        return copy.bitcode()


def optimise_inexact(module: Module, pipeline: str) -> bytes:
    """The same of a module in which a pointer difference may be a fraction of an element, rounded towards zero.

    C leaves that undefined and no sanitizer finds it; clang says `sdiv exact`, and passes may make either of two
    numbers of it. A program whose output depends on which is no witness.
    """
    with Module.parse(module.text().replace("= sdiv exact ", "= sdiv ").encode()) as other:
        return optimise(other, pipeline)


@contextlib.contextmanager
def checker(case: Case) -> Iterator[Callable[[str], Verdict]]:
    """Pipeline -> Verdict. Pipelines that give the same object file, byte for byte, share its linking and its runs."""
    isolated = leave_network()
    program = case.program
    limits = RunLimits(max(2.0, 20 * program.cpu_seconds))
    known: dict[bytes, Difference | None] = {}  # digest of a module or an object -> what is wrong with it
    with (
        tempfile.TemporaryDirectory(prefix="passformer-verify-") as name,
        Module.parse(program.ir, names=False) as module,  # names would only make equal code differ
    ):
        folder = Path(name)
        companion, executable = folder / "companion.o", folder / "program"
        companion.write_bytes(program.companion)

        def judge(data: bytes) -> tuple[int, Difference | None]:
            (folder / "program.o").write_bytes(data)
            objects = [folder / "program.o", *([companion] if program.companion else [])]
            if complaint := link(case.link_command, objects, executable):
                return 0, Difference((), program.expected[0], Outcome(1, complaint.encode()))
            return _run_all(executable, program, limits)

        def check(pipeline: str) -> Verdict:
            optimised = case.optimise(module, pipeline)
            runs, same_module = 0, _digest(optimised)
            if same_module not in known:
                data = render((optimised, "object"))
                same_object = _digest(data)
                if same_object not in known:
                    runs, known[same_object] = judge(data)
                known[same_module] = known[same_object]
            return Verdict(runs, known[same_module], isolated)

        yield check


def _run_all(executable: Path, program: Program, limits: RunLimits) -> tuple[int, Difference | None]:
    """(executions, the first that was not as expected)."""
    for runs, (arguments, expected) in enumerate(zip(program.inputs, program.expected, strict=True), 1):
        got, _ = run_program(executable, arguments, limits)
        if got != expected:
            return runs, Difference(arguments, expected, got)
    return len(program.inputs), None


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
