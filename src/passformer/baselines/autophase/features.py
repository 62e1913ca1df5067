"""AutoPhase's view of a module: 56 counts (Huang et al., 2019, and Haj-Ali et al., 2020, arXiv 2003.00671, Table 1).

Names and order are the published ones, so that figures compare with those of other systems. They were defined on LLVM
before opaque pointers: `NumBitCastInst` is nearly always 0 today. Counts are of function definitions; declarations do
not count.

Runs in a sandbox worker. One C call takes 0.2 us, so a function of 40 instructions takes about 0.1 ms.
"""

from collections.abc import Iterator
from typing import Any

from passformer.llvm.api import load
from passformer.llvm.module import MAX_OPCODE, Module

FEATURES: dict[str, str] = {
    "BBNumArgsHi": "basic blocks whose phi nodes have more than 5 incoming values together",
    "BBNumArgsLo": "basic blocks whose phi nodes have 1 to 5 incoming values together",
    "onePred": "basic blocks with 1 predecessor",
    "onePredOneSuc": "basic blocks with 1 predecessor and 1 successor",
    "onePredTwoSuc": "basic blocks with 1 predecessor and 2 successors",
    "oneSuccessor": "basic blocks with 1 successor",
    "twoPred": "basic blocks with 2 predecessors",
    "twoPredOneSuc": "basic blocks with 2 predecessors and 1 successor",
    "twoEach": "basic blocks with 2 predecessors and 2 successors",
    "twoSuccessor": "basic blocks with 2 successors",
    "morePreds": "basic blocks with more than 2 predecessors",
    "BB03Phi": "basic blocks with 1 to 3 phi nodes",
    "BBHiPhi": "basic blocks with more than 3 phi nodes",
    "BBNoPhi": "basic blocks without phi nodes",
    "BeginPhi": "basic blocks that begin with a phi node",
    "BranchCount": "branches, conditional or not",
    "returnInt": "direct calls that return an integer",
    "CriticalCount": "critical edges: from a block with several successors to one with several predecessors",
    "NumEdges": "edges between basic blocks",
    "const32Bit": "operands (cases of switches among them) that are 32-bit integer constants",
    "const64Bit": "operands that are 64-bit integer constants",
    "numConstZeroes": "operands that are the integer constant 0, of any width",
    "numConstOnes": "operands that are the integer constant 1, of any width",
    "UncondBranches": "unconditional branches",
    "binaryConstArg": "binary operations with a constant operand",
    "NumAShrInst": "ashr instructions",
    "NumAddInst": "add instructions",
    "NumAllocaInst": "alloca instructions",
    "NumAndInst": "and instructions",
    "BlockMid": "basic blocks with 15 to 500 instructions",
    "BlockLow": "basic blocks with fewer than 15 instructions",
    "NumBitCastInst": "bitcast instructions",
    "NumBrInst": "br instructions, the same as BranchCount",
    "NumCallInst": "call instructions",
    "NumGetElementPtrInst": "getelementptr instructions",
    "NumICmpInst": "icmp instructions",
    "NumLShrInst": "lshr instructions",
    "NumLoadInst": "load instructions",
    "NumMulInst": "mul instructions",
    "NumOrInst": "or instructions",
    "NumPHIInst": "phi instructions",
    "NumRetInst": "ret instructions",
    "NumSExtInst": "sext instructions",
    "NumSelectInst": "select instructions",
    "NumShlInst": "shl instructions",
    "NumStoreInst": "store instructions",
    "NumSubInst": "sub instructions",
    "NumTruncInst": "trunc instructions",
    "NumXorInst": "xor instructions",
    "NumZExtInst": "zext instructions",
    "TotalBlocks": "basic blocks",
    "TotalInsts": "instructions",
    "TotalMemInst": "memory instructions: getelementptr, load, store, call, invoke and alloca",
    "TotalFuncs": "function definitions",
    "ArgsPhi": "incoming values of all phi nodes",
    "testUnary": "unary instructions: fneg, alloca, load, freeze, va_arg, extractvalue and all casts",
}
"""Name -> what it counts, in the published order."""

# fmt: off
_OPCODES = {
    "AShr": 22, "Add": 8, "Alloca": 26, "And": 23, "BitCast": 41, "Br": 2, "Call": 45, "GetElementPtr": 29, "ICmp": 42,
    "LShr": 21, "Load": 27, "Mul": 12, "Or": 24, "PHI": 44, "Ret": 1, "SExt": 32, "Select": 46, "Shl": 20, "Store": 28,
    "Sub": 10, "Trunc": 30, "Xor": 25, "ZExt": 31,
}
# fmt: on
"""LLVMOpcode of what has a feature of its own."""
_BR, _SWITCH, _INVOKE, _CALL, _PHI = 2, 3, 5, 45, 44
_BINARY = range(8, 26)
_UNARY = (66, 26, 27, 49, 53, 68, 60, 69, *range(30, 42))
_MEMORY = (29, 27, 28, _CALL, _INVOKE, 26)
_INTEGER = 8  # LLVMIntegerTypeKind


def features(module: Module) -> tuple[int, ...]:
    """The counts of a module, in the order of `FEATURES`."""
    counts = dict.fromkeys(FEATURES, 0)
    opcodes = [0] * (MAX_OPCODE + 1)
    constants = _Constants(counts)
    for function in module.definitions():
        counts["TotalFuncs"] += 1
        _count_edges([(block, _count_block(block, counts, opcodes, constants)) for block in _blocks(function)], counts)
    for name, opcode in _OPCODES.items():
        counts[f"Num{name}Inst"] = opcodes[opcode]
    counts["BranchCount"] = opcodes[_BR]
    counts["TotalInsts"] = sum(opcodes)
    counts["TotalMemInst"] = sum(opcodes[opcode] for opcode in _MEMORY)
    counts["testUnary"] = sum(opcodes[opcode] for opcode in _UNARY)
    return tuple(counts.values())


class _Constants:
    """Which operands are integer constants; asked of LLVM once a value."""

    def __init__(self, counts: dict[str, int]) -> None:
        self._library = load()
        self._counts = counts
        self._known: dict[int, tuple[str, ...]] = {}

    def count(self, value: int) -> None:
        """Count an operand under all that it is."""
        known = self._known.get(value)
        if known is None:
            known = self._known[value] = tuple(self._kinds(value)) if self._library.IsAConstantInt(value) else ()
        for name in known:
            self._counts[name] += 1

    def _kinds(self, value: int) -> Iterator[str]:
        library = self._library
        kind = library.TypeOf(value)
        if library.GetTypeKind(kind) != _INTEGER:  # a vector that repeats one number
            return
        width = library.GetIntTypeWidth(kind)
        if width in (32, 64):
            yield f"const{width}Bit"
        if library.IsNull(value):
            yield "numConstZeroes"
        elif value == library.ConstInt(kind, 1, 0):  # equal constants are one object
            yield "numConstOnes"


def _blocks(function: int) -> Iterator[int]:
    library = load()
    block = library.GetFirstBasicBlock(function)
    while block:
        yield block
        block = library.GetNextBasicBlock(block)


def _count_block(block: int, counts: dict[str, int], opcodes: list[int], constants: _Constants) -> list[int]:
    """Count what a block holds; returns its successors, with repetitions."""
    # The hot loop: about five C calls an instruction, bound to locals.
    library = load()
    opcode_of, num_operands_of, operand_of, following, count_constant = (
        library.GetInstructionOpcode,
        library.GetNumOperands,
        library.GetOperand,
        library.GetNextInstruction,
        constants.count,
    )
    size = num_phis = num_incoming = 0
    instruction = last = library.GetFirstInstruction(block)
    while instruction:
        opcode = opcode_of(instruction)
        operands = [operand_of(instruction, i) for i in range(num_operands_of(instruction))]
        for operand in operands:
            count_constant(operand)
        if opcode == _PHI:
            num_phis += 1
            num_incoming += len(operands)
        elif opcode == _CALL:
            counts["returnInt"] += _returns_integer(library, instruction)
        elif opcode in _BINARY:
            counts["binaryConstArg"] += any(map(library.IsConstant, operands))
        elif opcode == _SWITCH and library.major >= 22:
            for case in range(1, library.GetNumSuccessors(instruction)):  # successor 0 is the default
                count_constant(library.GetSwitchCaseValue(instruction, case))
        opcodes[opcode] += 1
        size += 1
        last, instruction = instruction, following(instruction)
    _count_shape(size, num_phis, num_incoming, counts)
    successors = [library.GetSuccessor(last, i) for i in range(library.GetNumSuccessors(last))]
    counts["UncondBranches"] += opcode == _BR and len(successors) == 1
    return successors


def _returns_integer(library: Any, call: int) -> bool:
    direct = library.IsAFunction(library.GetCalledValue(call))
    return bool(direct) and library.GetTypeKind(library.TypeOf(call)) == _INTEGER


def _count_shape(size: int, num_phis: int, num_incoming: int, counts: dict[str, int]) -> None:
    counts["TotalBlocks"] += 1
    counts["BlockLow"] += size < 15
    counts["BlockMid"] += 15 <= size <= 500
    counts["BBNoPhi"] += num_phis == 0
    counts["BeginPhi"] += num_phis > 0  # phi nodes stand at the beginning or nowhere
    counts["BB03Phi"] += 1 <= num_phis <= 3
    counts["BBHiPhi"] += num_phis > 3
    counts["ArgsPhi"] += num_incoming
    counts["BBNumArgsLo"] += 1 <= num_incoming <= 5
    counts["BBNumArgsHi"] += num_incoming > 5


def _count_edges(edges: list[tuple[int, list[int]]], counts: dict[str, int]) -> None:
    """(block, its successors) of a whole function: what takes its predecessors to know."""
    num_preds = dict.fromkeys((block for block, _ in edges), 0)
    for _, successors in edges:
        for successor in successors:
            num_preds[successor] += 1
    for block, successors in edges:
        shape = min(num_preds[block], 3), min(len(successors), 3)
        for name in _SHAPES.get(shape, ()):
            counts[name] += 1
        counts["NumEdges"] += len(successors)
        if len(successors) > 1:
            counts["CriticalCount"] += sum(num_preds[successor] > 1 for successor in successors)


def _shapes() -> Iterator[tuple[tuple[int, int], list[str]]]:
    both = {(1, 1): "onePredOneSuc", (1, 2): "onePredTwoSuc", (2, 1): "twoPredOneSuc", (2, 2): "twoEach"}
    preds = {1: "onePred", 2: "twoPred", 3: "morePreds"}
    successors = {1: "oneSuccessor", 2: "twoSuccessor"}
    for p in range(4):
        for s in range(4):
            names = preds.get(p), successors.get(s), both.get((p, s))
            yield (p, s), [name for name in names if name]


_SHAPES = dict(_shapes())
"""(predecessors, successors), 3 for more -> the features that such a block counts for."""
