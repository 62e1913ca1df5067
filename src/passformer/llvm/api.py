"""The part of LLVM's C API that passformer uses, bound by ctypes; the same names and signatures in LLVM 19 to 23.

LLVM ends the process on its own fatal errors (`abort`, `exit(1)`), so only the sandbox's worker processes load it.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from passformer.llvm.locate import find_toolchain

_PTR, _STR, _INT, _SIZE, _U64, _NONE = (
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_size_t,
    ctypes.c_uint64,
    None,
)

_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    # name without the LLVM prefix: (result, *arguments)
    "GetVersion": (_NONE, _PTR, _PTR, _PTR),
    "DisposeMessage": (_NONE, _PTR),
    "GetErrorMessage": (_PTR, _PTR),
    "DisposeErrorMessage": (_NONE, _PTR),
    # Contexts, buffers, modules
    "ContextCreate": (_PTR,),
    "ContextDispose": (_NONE, _PTR),
    "ContextSetDiscardValueNames": (_NONE, _PTR, _INT),
    "CreateMemoryBufferWithMemoryRangeCopy": (_PTR, _STR, _SIZE, _STR),
    "GetBufferStart": (_PTR, _PTR),
    "GetBufferSize": (_SIZE, _PTR),
    "DisposeMemoryBuffer": (_NONE, _PTR),
    "ParseIRInContext": (_INT, _PTR, _PTR, _PTR, _PTR),
    "SetSourceFileName": (_NONE, _PTR, _STR, _SIZE),
    "StripModuleDebugInfo": (_INT, _PTR),
    "CloneModule": (_PTR, _PTR),
    "LinkModules2": (_INT, _PTR, _PTR),
    "DisposeModule": (_NONE, _PTR),
    "PrintModuleToString": (_PTR, _PTR),
    "WriteBitcodeToMemoryBuffer": (_PTR, _PTR),
    "VerifyModule": (_INT, _PTR, _INT, _PTR),
    "GetModuleContext": (_PTR, _PTR),
    "GetTarget": (_STR, _PTR),
    "GetModuleFlag": (_PTR, _PTR, _STR, _SIZE),
    "MDNodeInContext2": (_PTR, _PTR, _PTR, _SIZE),
    "MetadataAsValue": (_PTR, _PTR, _PTR),
    "GetMDNodeOperands": (_NONE, _PTR, _PTR),
    "ConstIntGetZExtValue": (_U64, _PTR),
    # Globals
    "GetFirstGlobal": (_PTR, _PTR),
    "GetNextGlobal": (_PTR, _PTR),
    "GetNamedGlobal": (_PTR, _PTR, _STR),
    "GetNamedFunction": (_PTR, _PTR, _STR),
    "GetInitializer": (_PTR, _PTR),
    "IsGlobalConstant": (_INT, _PTR),
    "DeleteGlobal": (_NONE, _PTR),
    "GetLinkage": (_INT, _PTR),
    "SetLinkage": (_NONE, _PTR, _INT),
    "SetVisibility": (_NONE, _PTR, _INT),
    "SetComdat": (_NONE, _PTR, _PTR),
    "GetFirstGlobalAlias": (_PTR, _PTR),
    "GetNextGlobalAlias": (_PTR, _PTR),
    "AliasGetAliasee": (_PTR, _PTR),
    "GetFirstGlobalIFunc": (_PTR, _PTR),
    "ReplaceAllUsesWith": (_NONE, _PTR, _PTR),
    # Functions, blocks, instructions
    "GetFirstFunction": (_PTR, _PTR),
    "GetNextFunction": (_PTR, _PTR),
    "GetFirstBasicBlock": (_PTR, _PTR),
    "GetNextBasicBlock": (_PTR, _PTR),
    "GetFirstInstruction": (_PTR, _PTR),
    "GetNextInstruction": (_PTR, _PTR),
    "GetInstructionOpcode": (_INT, _PTR),
    "GetNumSuccessors": (ctypes.c_uint, _PTR),
    "GetSuccessor": (_PTR, _PTR, ctypes.c_uint),
    "GetNumOperands": (_INT, _PTR),
    "GetOperand": (_PTR, _PTR, ctypes.c_uint),
    "GetSwitchCaseValue": (_PTR, _PTR, ctypes.c_uint),  # since LLVM 22; they were operands before
    "GetCalledValue": (_PTR, _PTR),
    "IsAFunction": (_PTR, _PTR),
    "IsAConstantInt": (_PTR, _PTR),
    "IsConstant": (_INT, _PTR),
    "IsNull": (_INT, _PTR),
    "ConstInt": (_PTR, _PTR, _U64, _INT),
    "TypeOf": (_PTR, _PTR),
    "GetTypeKind": (_INT, _PTR),
    "GetIntTypeWidth": (ctypes.c_uint, _PTR),
    "GetBasicBlockTerminator": (_PTR, _PTR),
    "GetValueName2": (_PTR, _PTR, _PTR),
    "GetEnumAttributeKindForName": (ctypes.c_uint, _STR, _SIZE),
    "GetEnumAttributeAtIndex": (_PTR, _PTR, ctypes.c_uint, ctypes.c_uint),
    "RemoveEnumAttributeAtIndex": (_NONE, _PTR, ctypes.c_uint, ctypes.c_uint),
    "AddAttributeAtIndex": (_NONE, _PTR, ctypes.c_uint, _PTR),
    "CreateEnumAttribute": (_PTR, _PTR, ctypes.c_uint, _U64),
    "GetValueKind": (_INT, _PTR),
    "GetAllocatedType": (_PTR, _PTR),
    "GetElementType": (_PTR, _PTR),
    "GetVectorSize": (ctypes.c_uint, _PTR),
    "GetIntrinsicID": (ctypes.c_uint, _PTR),
    "IntrinsicGetName": (_PTR, ctypes.c_uint, _PTR),
    # Passes and code generation
    "CreatePassBuilderOptions": (_PTR,),
    "DisposePassBuilderOptions": (_NONE, _PTR),
    "RunPasses": (_PTR, _PTR, _STR, _PTR, _PTR),
    "RunPassesOnFunction": (_PTR, _PTR, _STR, _PTR, _PTR),
    "GetTargetFromTriple": (_INT, _STR, _PTR, _PTR),
    "GetDefaultTargetTriple": (_PTR,),
    "CreateTargetMachine": (_PTR, _PTR, _STR, _STR, _STR, _INT, _INT, _INT),
    "DisposeTargetMachine": (_NONE, _PTR),
    "TargetMachineEmitToMemoryBuffer": (_INT, _PTR, _PTR, _INT, _PTR, _PTR),
    # Object files
    "CreateBinary": (_PTR, _PTR, _PTR, _PTR),
    "DisposeBinary": (_NONE, _PTR),
    "ObjectFileCopySectionIterator": (_PTR, _PTR),
    "ObjectFileIsSectionIteratorAtEnd": (_INT, _PTR, _PTR),
    "MoveToNextSection": (_NONE, _PTR),
    "MoveToContainingSection": (_NONE, _PTR, _PTR),
    "DisposeSectionIterator": (_NONE, _PTR),
    "GetSectionName": (_STR, _PTR),
    "GetSectionSize": (_U64, _PTR),
    "ObjectFileCopySymbolIterator": (_PTR, _PTR),
    "ObjectFileIsSymbolIteratorAtEnd": (_INT, _PTR, _PTR),
    "MoveToNextSymbol": (_NONE, _PTR),
    "DisposeSymbolIterator": (_NONE, _PTR),
    "GetSymbolName": (_STR, _PTR),
    "GetSymbolSize": (_U64, _PTR),
}

# fmt: off
_TARGETS = (
    "AArch64", "AMDGPU", "ARM", "AVR", "BPF", "Hexagon", "Lanai", "LoongArch", "M68k", "Mips", "MSP430", "NVPTX",
    "PowerPC", "RISCV", "Sparc", "SPIRV", "SystemZ", "VE", "WebAssembly", "X86", "XCore", "Xtensa",
)
# fmt: on
_TARGET_PARTS = ("TargetInfo", "Target", "TargetMC", "AsmPrinter", "AsmParser")


_BRANCHES_APART = 23  # the first version with an opcode each for branches with and without a condition
_BRANCHES, _BRANCH = (70, 71), 2  # its numbers, and the one of all branches before it, which is kept


class Library:
    """A loaded libLLVM: `library.GetTarget(...)` calls `LLVMGetTarget`. Functions are bound at first use."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._cdll = ctypes.CDLL(path)
        self.targets = tuple(name for name in _TARGETS if self._initialize(name))
        """Names of the code generators that the library holds, all initialised."""
        parts = [ctypes.c_uint() for _ in range(3)]
        self.GetVersion(*map(ctypes.byref, parts))
        self.version = ".".join(str(part.value) for part in parts)
        self.major = int(parts[0].value)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        result, *arguments = _PROTOTYPES[name]
        function = getattr(self._cdll, "LLVM" + name)
        function.restype, function.argtypes = result, arguments
        if name == "GetInstructionOpcode" and self.major >= _BRANCHES_APART:
            function = _with_one_branch(function)
        setattr(self, name, function)
        return function  # type: ignore[no-any-return]  # ctypes attributes are untyped

    def _initialize(self, target: str) -> bool:
        # The assembly parser matters: without it, modules with inline assembly abort in code generation.
        if not hasattr(self._cdll, f"LLVMInitialize{target}Target"):
            return False
        for part in _TARGET_PARTS:
            if hasattr(self._cdll, f"LLVMInitialize{target}{part}"):
                getattr(self._cdll, f"LLVMInitialize{target}{part}")()
        return True

    def take_message(self, pointer: int | None) -> str:
        """The text of a message that LLVM allocated, which is freed."""
        text = ctypes.string_at(pointer).decode(errors="replace") if pointer else ""
        self.DisposeMessage(pointer)
        return text

    def take_buffer(self, buffer: int) -> bytes:
        """The bytes of a memory buffer, which is freed."""
        data = ctypes.string_at(self.GetBufferStart(buffer), self.GetBufferSize(buffer))
        self.DisposeMemoryBuffer(buffer)
        return data


def _with_one_branch(opcode: Callable[[int], int]) -> Callable[[int], int]:
    def numbered_as_before(instruction: int) -> int:
        number = opcode(instruction)
        return _BRANCH if number in _BRANCHES else number

    return numbered_as_before


@cache
def load() -> Library:
    """The library of this process, from `find_toolchain`; loading takes about 20 ms."""
    return Library(str(find_toolchain().library))
