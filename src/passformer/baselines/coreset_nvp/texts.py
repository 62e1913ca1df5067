"""What a node says: an opcode and a type, in few words, so that a vocabulary of some hundreds covers unseen programs.

Runs in a sandbox worker.
"""

import ctypes

from passformer.llvm.api import Library

# fmt: off
_OPCODES = (
    "", "ret", "br", "switch", "indirectbr", "invoke", "", "unreachable", "add", "fadd", "sub", "fsub", "mul", "fmul",
    "udiv", "sdiv", "fdiv", "urem", "srem", "frem", "shl", "lshr", "ashr", "and", "or", "xor", "alloca", "load",
    "store", "getelementptr", "trunc", "zext", "sext", "fptoui", "fptosi", "uitofp", "sitofp", "fptrunc", "fpext",
    "ptrtoint", "inttoptr", "bitcast", "icmp", "fcmp", "phi", "call", "select", "", "", "va_arg", "extractelement",
    "insertelement", "shufflevector", "extractvalue", "insertvalue", "fence", "cmpxchg", "atomicrmw", "resume",
    "landingpad", "addrspacecast", "cleanupret", "catchret", "catchpad", "cleanuppad", "catchswitch", "fneg", "callbr",
    "freeze", "ptrtoaddr",
)
# fmt: on
"""By LLVMOpcode."""
CALLS = (5, 45, 67)
"""invoke, call, callbr."""
SWITCH = 3
_ALLOCA = 26
_VOID, _INTEGER, _STRUCT, _ARRAY, _VECTOR, _SCALABLE = 0, 8, 10, 11, 13, 17
_TYPES = {
    _VOID: "void",
    1: "half",
    2: "float",
    3: "double",
    4: "x86_fp80",
    5: "fp128",
    6: "ppc_fp128",
    7: "label",
    9: "function",
    _STRUCT: "struct",
    12: "ptr",
    14: "metadata",
    16: "token",
    18: "bfloat",
}
"""By LLVMTypeKind; others are called by their number."""
_FUNCTION, _VARIABLE = 5, 8
_GLOBALS = {_FUNCTION: "function", 6: "alias", 7: "ifunc", _VARIABLE: "global"}
_CONSTANTS = {
    9: "block address",
    10: "expression",
    14: "undef",
    15: "zero",
    20: "null",
    25: "poison",
}
"""By LLVMValueKind as in LLVM 22; all others are "constant"."""
_NEW_KIND, _NEW_KIND_SINCE = 19, 23  # constants of the type byte; what follows has moved up by one


def value_kind(library: Library, handle: int) -> int:
    """The LLVMValueKind, as LLVM 22 numbers them; that of a byte is that of an integer."""
    kind: int = library.GetValueKind(handle)
    return kind - (kind >= _NEW_KIND and library.major >= _NEW_KIND_SINCE)


class Texts:
    """Texts of one module's values; a type's is made once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._types: dict[int, str] = {}
        self._instructions: dict[tuple[int, int], str] = {}

    def instruction(self, handle: int, opcode: int) -> str:
        """`load i32`, `store i32`, `br i1`: the type is the result's, of instructions without one the first operand's.

        Of an `alloca` it is what is allocated, and a call that returns nothing is `call void`.
        """
        library = self._library
        type_ = library.GetAllocatedType(handle) if opcode == _ALLOCA else library.TypeOf(handle)
        known = self._instructions.get((opcode, type_))
        if known is not None:
            return known
        name = _OPCODES[opcode] if opcode < len(_OPCODES) else f"opcode{opcode}"
        if library.GetTypeKind(type_) == _VOID and opcode not in CALLS and library.GetNumOperands(handle):
            return f"{name} {self.type(library.TypeOf(library.GetOperand(handle, 0)))}"
        return self._instructions.setdefault((opcode, type_), f"{name} {self.type(type_)}")

    def variable(self, handle: int) -> str:
        """`variable i32`, of arguments and results."""
        return f"variable {self.type(self._library.TypeOf(handle))}"

    def constant(self, handle: int, kind: int) -> str:
        """`constant i32`, `null ptr`, `global ptr`, the name of an intrinsic; `kind` is its `value_kind`."""
        if kind == _FUNCTION and (intrinsic := self._library.GetIntrinsicID(handle)):
            length = ctypes.c_size_t()
            name = self._library.IntrinsicGetName(intrinsic, ctypes.byref(length))
            return ctypes.string_at(name, length.value).decode()
        word = _GLOBALS.get(kind) or _CONSTANTS.get(kind, "constant")
        return f"{word} {self.type(self._library.TypeOf(handle))}"

    def type(self, handle: int) -> str:
        """`i32`, `ptr`, `[i8]`, `<4 x float>`, `struct`: neither lengths of arrays nor what structures hold."""
        if handle not in self._types:
            self._types[handle] = self._describe(handle)
        return self._types[handle]

    def _describe(self, handle: int) -> str:
        kind = self._library.GetTypeKind(handle)
        if kind == _INTEGER:
            return f"i{self._library.GetIntTypeWidth(handle)}"
        if kind in (_ARRAY, _VECTOR, _SCALABLE):
            element = self.type(self._library.GetElementType(handle))
            return f"[{element}]" if kind == _ARRAY else f"<{self._library.GetVectorSize(handle)} x {element}>"
        return _TYPES.get(kind, f"type{kind}")
