"""Modules and target machines: parse, clone, print, verify, count, run a pipeline, emit code.

Handles are owned: a `Module` disposes what it holds on `close()` or at the end of its `with` block.
Call these in a sandbox worker only (see `sandbox`): LLVM may end the process at any of them.
"""

import ctypes
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Self

from passformer.llvm.api import load

MAX_OPCODE = 69
"""The highest number of an LLVMOpcode in LLVM 19 to 23 (CallBr and Freeze among the last)."""
_FUNCTION_INDEX = 0xFFFFFFFF  # LLVMAttributeFunctionIndex
_RETURN_STATUS = 2  # LLVMReturnStatusAction: report a broken module instead of aborting
_CODEGEN_DEFAULT = 2  # CodeGenOptLevel::Default, what clang uses for -Oz
_RELOC_DEFAULT, _RELOC_PIC = 0, 2
_AVAILABLE_EXTERNALLY = 1  # LLVMAvailableExternallyLinkage: there for the optimiser, emitted by another module
_COMPUTED_JUMPS = (4, 67)  # LLVMIndirectBr, LLVMCallBr
_FILE_TYPES = {"assembly": 0, "object": 1}


class LLVMError(Exception):
    """LLVM refused: the message is its own. The process goes on, and so may the caller."""


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """One function definition: its symbol name and its number of IR instructions."""

    name: str
    num_instructions: int


class TargetMachine:
    """LLVM's description of the machine that a module is for; it owns the cost model that passes ask."""

    def __init__(self, triple: str, code_model: int, pic: bool) -> None:
        library = load()
        target, error = ctypes.c_void_p(), ctypes.c_void_p()
        if library.GetTargetFromTriple(triple.encode(), ctypes.byref(target), ctypes.byref(error)):
            library.take_message(error.value)
            raise LLVMError(
                f"no code generator for {triple!r} in {library.path} (it has {', '.join(library.targets)}); "
                "Debian's llvm-22 has all: set PASSFORMER_LLVM to one that does"
            )
        relocation = _RELOC_PIC if pic else _RELOC_DEFAULT
        # CPU and features stay empty: functions carry them as attributes, which is where clang puts them.
        self.handle = library.CreateTargetMachine(
            target, triple.encode(), b"", b"", _CODEGEN_DEFAULT, relocation, code_model
        )
        if not self.handle:
            raise LLVMError(f"LLVM cannot make a target machine for {triple!r}")


@cache
def target_machine(triple: str, code_model: int, pic: bool) -> TargetMachine:
    """The target machine of this process for these settings; it lives as long as the process."""
    return TargetMachine(triple, code_model, pic)


class Module:
    """An LLVM module in a context of its own (`parse`) or in that of the module it was cloned from (`clone`)."""

    def __init__(self, handle: int, context: int | None) -> None:
        self._library = load()
        self.handle = handle
        self._owned_context = context

    @classmethod
    def parse(cls, ir: bytes, beside: "Module | None" = None, names: bool = True) -> "Module":
        """A module from bitcode or IR text; raises LLVMError with LLVM's message where it is neither.

        It lives in the context of `beside`, which must be closed after it, or else in a context of its own, where the
        names of values are dropped unless `names`: passes run faster, and equal states print equally.
        """
        library = load()
        context = beside._context() if beside else library.ContextCreate()
        if not names:
            library.ContextSetDiscardValueNames(context, 1)
        buffer = library.CreateMemoryBufferWithMemoryRangeCopy(ir, len(ir), b"module")
        module, error = ctypes.c_void_p(), ctypes.c_void_p()
        if library.ParseIRInContext(context, buffer, ctypes.byref(module), ctypes.byref(error)):
            message = library.take_message(error.value)
            if not beside:
                library.ContextDispose(context)
            raise LLVMError((message.splitlines() or ["no message"])[0])  # below it stand the line and a caret
        assert module.value is not None
        return cls(module.value, None if beside else context)

    def clone(self) -> "Module":
        """A deep copy, in the same context; close it before this one.

        LLVM 19 and 20 clone tables of block addresses wrongly (a computed goto then jumps nowhere, and optimisers
        delete the code), so there the copy goes through bitcode.
        """
        if self._library.major < 21:
            return Module.parse(self.bitcode(), beside=self)
        return Module(self._library.CloneModule(self.handle), None)

    def link(self, other: "Module") -> None:
        """Take in what another module of the same context holds, which is closed; raises LLVMError on a clash."""
        handle, other.handle = other.handle, 0  # LLVM disposes it, whatever comes of it
        if self._library.LinkModules2(self.handle, handle):
            raise LLVMError("the modules do not link")

    def close(self) -> None:
        """Free the module, and its context where it owns one. Closing twice is harmless."""
        if self.handle:
            self._library.DisposeModule(self.handle)
            self.handle = 0
        if self._owned_context:
            self._library.ContextDispose(self._owned_context)
            self._owned_context = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def text(self) -> str:
        """The module as IR text."""
        return self._library.take_message(self._library.PrintModuleToString(self.handle))

    def bitcode(self) -> bytes:
        """The module as bitcode."""
        return self._library.take_buffer(self._library.WriteBitcodeToMemoryBuffer(self.handle))

    def verify(self) -> None:
        """LLVM's own module verifier; raises LLVMError with its first complaint."""
        error = ctypes.c_void_p()
        broken = self._library.VerifyModule(self.handle, _RETURN_STATUS, ctypes.byref(error))
        message = self._library.take_message(error.value)
        if broken:
            raise LLVMError(f"invalid module: {(message.splitlines() or ['no message'])[0]}")

    @property
    def triple(self) -> str:
        """The target triple; that of this machine where the module names none."""
        named = str(self._library.GetTarget(self.handle).decode())
        return named or self._library.take_message(self._library.GetDefaultTargetTriple())

    def functions(self) -> list[FunctionFacts]:
        """The function definitions, in order."""
        return [FunctionFacts(self._name(f), self._count(f)) for f in self.definitions()]

    @property
    def num_instructions(self) -> int:
        """All IR instructions of the module."""
        return sum(map(self._count, self.definitions()))

    def opcode_counts(self) -> list[int]:
        """How many instructions of each opcode there are, by the C API's numbers (`LLVMOpcode`), up to `MAX_OPCODE`."""
        library = self._library
        counts = [0] * (MAX_OPCODE + 1)
        for function in self.definitions():
            block = library.GetFirstBasicBlock(function)
            while block:
                instruction = library.GetFirstInstruction(block)
                while instruction:
                    counts[library.GetInstructionOpcode(instruction)] += 1
                    instruction = library.GetNextInstruction(instruction)
                block = library.GetNextBasicBlock(block)
        return counts

    def opcodes(self) -> dict[str, bytes]:
        """Function -> the opcodes of its instructions in order, with a 0 at the end of each block."""
        library = self._library
        opcode, following = library.GetInstructionOpcode, library.GetNextInstruction
        found = {}
        for function in self.definitions():
            codes = bytearray()
            block = library.GetFirstBasicBlock(function)
            while block:
                instruction = library.GetFirstInstruction(block)
                while instruction:
                    codes.append(opcode(instruction))
                    instruction = following(instruction)
                codes.append(0)
                block = library.GetNextBasicBlock(block)
            found[self._name(function)] = bytes(codes)
        return found

    def leave_out(self, names: Collection[str]) -> None:
        """Let the code generator make no code for these functions; calls to them stay as if they were elsewhere.

        Functions that must be where they are stay: those with aliases, and those whose blocks have an address.
        """
        library = self._library
        bound = {library.AliasGetAliasee(alias) for alias in self.aliases()}
        for function in list(self.definitions()):
            if self._name(function) in names and function not in bound and not self._has_addresses(function):
                library.SetComdat(function, None)
                library.SetLinkage(function, _AVAILABLE_EXTERNALLY)

    def run(self, pipeline: str) -> None:
        """Run a pipeline in the syntax of `opt -passes=` on this module, in place.

        Raises LLVMError where LLVM refuses the pipeline. The target machine is always passed: without it the cost
        model is another machine's, and some passes crash.
        """
        if not pipeline:
            return
        self._check(
            self._library.RunPasses(self.handle, pipeline.encode(), self._target().handle, _pass_builder_options())
        )

    def run_on_functions(self, pipelines: Mapping[str, str]) -> None:
        """Run a pipeline of function passes on each function named; the rest of the module stays as it is.

        Raises LLVMError as `run` does, and where the library cannot (before LLVM 20).
        """
        for function in list(self.definitions()):
            if pipeline := pipelines.get(self._name(function)):
                options, target = _pass_builder_options(), self._target().handle
                try:
                    run = self._library.RunPassesOnFunction
                except AttributeError:
                    raise LLVMError("this LLVM runs no passes on single functions: it takes LLVM 20") from None
                self._check(run(function, pipeline.encode(), target, options))

    def require_target(self) -> None:
        """Raises LLVMError where the library has no code generator for the module's triple."""
        self._target()

    def emit(self, kind: str = "object") -> bytes:
        """The `object` file or `assembly` text that LLVM's code generator makes; the module itself is left as it is."""
        buffer, error = ctypes.c_void_p(), ctypes.c_void_p()
        with self.clone() as copy:  # code generation rewrites the IR that it is given
            failed = self._library.TargetMachineEmitToMemoryBuffer(
                self._target().handle, copy.handle, _FILE_TYPES[kind], ctypes.byref(error), ctypes.byref(buffer)
            )
        if failed:
            raise LLVMError(self._library.take_message(error.value))
        assert buffer.value is not None
        return self._library.take_buffer(buffer.value)

    def mark_minsize(self) -> bool:
        """Give every definition `minsize optsize`, as `clang -Oz` does, unless some definition has `minsize` already.

        IR that clang -O0 made carries `optnone noinline` on each function, which forbids all optimisation; both are
        dropped together. Returns whether anything was changed.
        """
        minsize, optsize, optnone, noinline = map(self._attribute_kind, ("minsize", "optsize", "optnone", "noinline"))
        definitions = list(self.definitions())
        if any(self._has(function, minsize) for function in definitions):
            return False
        for function in definitions:
            if self._has(function, optnone):
                self._library.RemoveEnumAttributeAtIndex(function, _FUNCTION_INDEX, optnone)
                self._library.RemoveEnumAttributeAtIndex(function, _FUNCTION_INDEX, noinline)
            for kind in (minsize, optsize):
                attribute = self._library.CreateEnumAttribute(self._context(), kind, 0)
                self._library.AddAttributeAtIndex(function, _FUNCTION_INDEX, attribute)
        return bool(definitions)

    def definitions(self) -> Iterator[int]:
        """Handles of the functions that have a body."""
        library = self._library
        function = library.GetFirstFunction(self.handle)
        while function:
            if library.GetFirstBasicBlock(function):
                yield function
            function = library.GetNextFunction(function)

    def variables(self) -> Iterator[int]:
        """Handles of the global variables and constants that have an initialiser."""
        library = self._library
        variable = library.GetFirstGlobal(self.handle)
        while variable:
            if library.GetInitializer(variable):
                yield variable
            variable = library.GetNextGlobal(variable)

    def aliases(self) -> Iterator[int]:
        """Handles of the aliases."""
        alias = self._library.GetFirstGlobalAlias(self.handle)
        while alias:
            yield alias
            alias = self._library.GetNextGlobalAlias(alias)

    def _check(self, error: int | None) -> None:
        if error:
            pointer = self._library.GetErrorMessage(error)
            message = ctypes.string_at(pointer).decode(errors="replace")
            self._library.DisposeErrorMessage(pointer)
            raise LLVMError(message)

    def _count(self, function: int) -> int:
        # The hot loop of every evaluation: one C call an instruction, bound to locals.
        library = self._library
        next_block, first, following = (
            library.GetNextBasicBlock,
            library.GetFirstInstruction,
            library.GetNextInstruction,
        )
        count = 0
        block = library.GetFirstBasicBlock(function)
        while block:
            instruction = first(block)
            while instruction:
                count += 1
                instruction = following(instruction)
            block = next_block(block)
        return count

    def _has_addresses(self, function: int) -> bool:
        """Whether some jump goes to a computed address, or out of inline assembly."""
        library = self._library
        block = library.GetFirstBasicBlock(function)
        while block:
            if library.GetInstructionOpcode(library.GetBasicBlockTerminator(block)) in _COMPUTED_JUMPS:
                return True
            block = library.GetNextBasicBlock(block)
        return False

    def _name(self, value: int) -> str:
        length = ctypes.c_size_t()
        pointer = self._library.GetValueName2(value, ctypes.byref(length))
        return ctypes.string_at(pointer, length.value).decode(errors="replace")

    def _context(self) -> int:
        return int(self._library.GetModuleContext(self.handle))

    def _attribute_kind(self, name: str) -> int:
        return int(self._library.GetEnumAttributeKindForName(name.encode(), len(name)))

    def _has(self, function: int, kind: int) -> bool:
        return bool(self._library.GetEnumAttributeAtIndex(function, _FUNCTION_INDEX, kind))

    def _flag(self, name: str) -> int | None:
        """The integer value of a module flag, None where the module does not carry it."""
        library, context = self._library, self._context()
        metadata = ctypes.c_void_p(library.GetModuleFlag(self.handle, name.encode(), len(name)))
        if not metadata:
            return None
        # The C API hands out the constant inside a metadata only as an operand of a node.
        node = library.MetadataAsValue(context, library.MDNodeInContext2(context, ctypes.byref(metadata), 1))
        constant = ctypes.c_void_p()
        library.GetMDNodeOperands(node, ctypes.byref(constant))
        return int(library.ConstIntGetZExtValue(constant))

    def _target(self) -> TargetMachine:
        code_model = self._flag("Code Model")
        # CodeModel::Tiny is 0 there; LLVMCodeModel has Default 0, JITDefault 1, Tiny 2, ...
        return target_machine(self.triple, 0 if code_model is None else code_model + 2, bool(self._flag("PIC Level")))


@cache
def _pass_builder_options() -> int:
    return int(load().CreatePassBuilderOptions())
