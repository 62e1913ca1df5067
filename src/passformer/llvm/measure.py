"""What sandbox workers do with modules: read facts, run pass lists and measure what comes out, emit code.

Everything here runs in a worker (see `sandbox`) and is called by the parent as, for example,
`sandbox.map(measurer, Subject(ir), pipelines)`.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from passformer.llvm.module import FunctionFacts, Module
from passformer.llvm.objects import ObjectSizes, object_sizes
from passformer.llvm.protocol import Protocol

OutputKind = Literal["object", "assembly", "text", "bitcode"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A module to run many pipelines on, and what to tell of each result."""

    ir: bytes
    """Bitcode or IR text."""
    text_bytes: bool = False
    """Also emit an object and measure it (costs about as much as -Oz itself)."""
    bitcode: bool = False
    """Also return the optimised module."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One pipeline's result on a subject; what was not asked for is None."""

    instructions: int
    text_bytes: int | None = None
    function_bytes: Mapping[str, int] | None = None
    """Of each function's machine code (ELF only), measured with the text."""
    bitcode: bytes | None = None


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """What a module holds before anything ran on it."""

    bitcode: bytes
    """The module, ready for the protocol's -Oz."""
    triple: str
    functions: tuple[FunctionFacts, ...]
    marked: bool
    """Whether `minsize optsize` had to be added."""


@contextlib.contextmanager
def measurer(subject: Subject) -> Iterator[Callable[[str], Measurement]]:
    """Pipeline -> Measurement, each on a fresh clone of the subject, each checked by LLVM's module verifier."""
    known: dict[bytes, ObjectSizes] = {}
    with Module.parse(subject.ir) as module:

        def measure(pipeline: str) -> Measurement:
            with module.clone() as copy:
                copy.run(pipeline)
                copy.verify()
                bitcode = copy.bitcode() if subject.bitcode else None
                sizes = known.get(bitcode) if bitcode else None
                if subject.text_bytes and sizes is None:
                    sizes = _object_sizes(copy)
                if bitcode and sizes:
                    known[bitcode] = sizes  # lists often leave the same module
                return Measurement(
                    copy.num_instructions,
                    sizes.text_bytes if sizes else None,
                    sizes.functions if sizes else None,
                    bitcode,
                )

        yield measure


@contextlib.contextmanager
def function_measurer(ir: bytes) -> Iterator[Callable[[str], Mapping[str, int]]]:
    """Pipeline of function passes -> bytes of the functions that it changes.

    Code generation is what this costs. So only functions whose opcodes are other than before and than after earlier
    pipelines are emitted: passes often do nothing but bring loops into the same form. Equal opcodes with other operands
    are rare, and little is lost by them (1 % of what can be saved, for a third of the cost).
    """
    with Module.parse(ir) as module:
        before = module.opcodes()
        known: dict[tuple[str, bytes], int] = {}

        def measure(pipeline: str) -> Mapping[str, int]:
            with module.clone() as copy:
                copy.run(pipeline)
                copy.verify()
                after = copy.opcodes()
                changed = after.items() - before.items()
                if fresh := {name for name, _ in changed - known.keys()}:
                    copy.leave_out(after.keys() - fresh)
                    sizes = object_sizes(copy.emit(), fresh).functions
                    known.update({(name, after[name]): sizes[name] for name in fresh & sizes.keys()})
                return {item[0]: known[item] for item in changed & known.keys()}

        yield measure


@contextlib.contextmanager
def opcode_counter(ir: bytes) -> Iterator[Callable[[str], list[int]]]:
    """Pipeline -> opcode counts of the module after it."""
    with Module.parse(ir) as module:

        def count(pipeline: str) -> list[int]:
            with module.clone() as copy:
                copy.run(pipeline)
                return copy.opcode_counts()

        yield count


def read_module(request: tuple[bytes, Protocol]) -> ModuleFacts:
    """Parse and verify; for protocol `clang` also mark for size. Raises LLVMError for IR that LLVM refuses."""
    ir, protocol = request
    with Module.parse(ir) as module:
        module.verify()
        functions = tuple(module.functions())
        if functions:
            module.require_target()
        marked = protocol is Protocol.CLANG and module.mark_minsize()
        return ModuleFacts(module.bitcode() if marked else ir, module.triple, functions, marked)


def render(request: tuple[bytes, OutputKind]) -> bytes:
    """A module as it is, without further optimisation, as an object, assembly, IR text or bitcode."""
    ir, kind = request
    with Module.parse(ir) as module:
        if kind == "text":
            return module.text().encode()
        return module.bitcode() if kind == "bitcode" else module.emit(kind)


def run_on_functions(request: tuple[bytes, Mapping[str, str]]) -> bytes:
    """(IR, function name -> pipeline) -> the module after each pipeline ran on its function, verified."""
    ir, pipelines = request
    with Module.parse(ir) as module:
        module.run_on_functions(pipelines)
        module.verify()
        return module.bitcode()


def text_bytes(module: Module) -> int:
    """Of the object that a module becomes."""
    return _object_sizes(module).text_bytes


def _object_sizes(module: Module) -> ObjectSizes:
    return object_sizes(module.emit(), {f.name for f in module.functions()})
