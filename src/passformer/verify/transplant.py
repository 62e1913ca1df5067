"""Another body for one function of a whole program: does the program still behave the same? Runs in sandbox workers."""

from collections.abc import Sequence
from dataclasses import dataclass

from passformer.corpus.extract import extractor
from passformer.llvm.api import load
from passformer.llvm.module import Module
from passformer.llvm.sandbox import Failure, Sandbox
from passformer.verify.check import Case, Verdict, checker
from passformer.verify.execute import link_command
from passformer.verify.program import Program

_EXTERNAL, _AVAILABLE_EXTERNALLY = 0, 1  # LLVMLinkage


@dataclass(frozen=True, slots=True)
class Transplant:
    """Where a body goes; called with the program and the IR of the body, as `check.Optimise` has it."""

    function: str

    def __call__(self, program: Module, body: str) -> bytes:
        """The bitcode of the program with this body, checked by LLVM's verifier."""
        target = [line for line in program.text().split("\n", 8)[:8] if line.startswith("target ")]
        text = "\n".join([*target, body]).encode()
        # In a context of their own: the checker's has no names of values, and reads no IR text.
        with Module.parse(program.bitcode()) as copy, Module.parse(text, beside=copy) as other:
            _make_visible(copy)
            _make_visible(other)
            function = load().GetNamedFunction(copy.handle, self.function.encode())
            load().SetComdat(function, None)
            load().SetLinkage(function, _AVAILABLE_EXTERNALLY)
            copy.run("elim-avail-extern")
            copy.link(other)
            copy.verify()
            return copy.bitcode()


def _make_visible(module: Module) -> None:
    """The body may name what is static in the program."""
    for value in (*module.definitions(), *(v for v in module.variables() if not load().IsGlobalConstant(v))):
        load().SetVisibility(value, 0)
        load().SetLinkage(value, _EXTERNAL)


def defines(program: Program, function: str, function_id: str, sandbox: Sandbox) -> bool:
    """Whether the program has this very function of the corpus, not only one of that name."""
    found = next(sandbox.map(extractor, program.ir, [function]))
    return not isinstance(found, Failure) and found.id == function_id


def try_bodies(program: Program, function: str, bodies: Sequence[str], sandbox: Sandbox) -> list[bool | None]:
    """Whether the program behaves as its references with each body; None where LLVM refuses it."""
    case = Case(program, link_command(program.language), Transplant(function))
    return [v.difference is None if isinstance(v, Verdict) else None for v in sandbox.map(checker, case, bodies)]
