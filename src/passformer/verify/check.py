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
    """Executions, up to the first difference."""
    difference: Difference | None
    isolated: bool
    """Whether the runs had no network."""


def optimise(module: Module, pipeline: str) -> bytes:
    """The bitcode of a copy of the module after a pipeline, checked by LLVM's verifier."""
    with module.clone() as copy:
        copy.run(pipeline)
        copy.verify()
        return copy.bitcode()


@contextlib.contextmanager
def checker(case: Case) -> Iterator[Callable[[str], Verdict]]:
    """Pipeline -> Verdict. Pipelines that give the same module share its compiling and linking, never its runs."""
    isolated = leave_network()
    program = case.program
    limits = RunLimits(max(2.0, 20 * program.cpu_seconds))
    with tempfile.TemporaryDirectory(prefix="passformer-verify-") as name, Module.parse(program.ir) as module:
        folder = Path(name)
        companion = folder / "companion.o"
        companion.write_bytes(program.companion)

        def check(pipeline: str) -> Verdict:
            optimised = case.optimise(module, pipeline)
            executable = folder / hashlib.blake2b(optimised, digest_size=16).hexdigest()
            if not executable.exists():
                (folder / "program.o").write_bytes(render((optimised, "object")))
                objects = [folder / "program.o", *([companion] if program.companion else [])]
                complaint = link(case.link_command, objects, executable)
                if complaint:
                    unlinked = Outcome(1, complaint.encode())
                    return Verdict(1, Difference((), program.expected[0], unlinked), isolated)
            for runs, (arguments, expected) in enumerate(zip(program.inputs, program.expected, strict=True), 1):
                got, _ = run_program(executable, arguments, limits)
                if got != expected:
                    return Verdict(runs, Difference(arguments, expected, got), isolated)
            return Verdict(len(program.inputs), None, isolated)

        yield check
