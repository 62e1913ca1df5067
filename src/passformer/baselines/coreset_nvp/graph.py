"""Program graphs in the style of ProGraML (Cummins et al., 2021, arXiv 2003.10536), built in process by the C API.

Nodes are instructions, variables (arguments and results that something uses) and constants (one node each of what is
distinct; globals and declared functions among them). Edges are control (position: which successor), data (from a
result's instruction to its variable, and from operands to instructions; position: which operand) and call (to the
first instruction of the function, and from what it returns by; to the constant of a function that is only declared).

Unlike ProGraML there is no node for what lies outside the module, metadata and inline assembly have none, and types are
words of the nodes' texts (see `texts`) instead of nodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from passformer.baselines.coreset_nvp.texts import CALLS, SWITCH, Texts, value_kind
from passformer.llvm.api import Library, load
from passformer.llvm.module import Module
from passformer.llvm.sandbox import Failure, Sandbox

MAX_INSTRUCTIONS = 5_000
"""Of a module; what follows is left out with its edges."""
MAX_POSITION = 63
"""Positions beyond count as this one."""
_ARGUMENT, _BLOCK, _METADATA, _ASSEMBLY, _INSTRUCTION = 0, 1, 22, 23, 24  # see `value_kind`
_RETURN = 1  # LLVMOpcode
_SWITCH_CASES_APART = 22  # since this version they are no operands


class Kind(IntEnum):
    """What a node is."""

    INSTRUCTION = 0
    VARIABLE = 1
    CONSTANT = 2


class Flow(IntEnum):
    """What an edge is."""

    CONTROL = 0
    DATA = 1
    CALL = 2


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A module with N nodes and E edges; instructions come first, in the module's order."""

    texts: tuple[str, ...]
    """The distinct texts of nodes."""
    node_texts: npt.NDArray[np.int32]
    """(N,): places in `texts`."""
    node_kinds: npt.NDArray[np.uint8]
    """(N,): see `Kind`."""
    edges: npt.NDArray[np.int32]
    """(2, E): the nodes that edges come from, and those that they go to."""
    flows: npt.NDArray[np.uint8]
    """(E,): see `Flow`."""
    positions: npt.NDArray[np.uint8]
    """(E,)"""


def program_graph(ir: bytes) -> Graph:
    """Of bitcode or IR text, in a sandbox worker; raises LLVMError where it is neither."""
    with Module.parse(ir) as module:
        return _Builder(load()).build(module)


def make_graph(sandbox: Sandbox, ir: bytes) -> Graph:
    """The program graph, made in a sandbox; without nodes where LLVM fails on the module."""
    graph = sandbox.call(program_graph, ir)
    return _EMPTY if isinstance(graph, Failure) else graph


_EMPTY = Graph(
    (),
    np.empty(0, np.int32),
    np.empty(0, np.uint8),
    np.empty((2, 0), np.int32),
    np.empty(0, np.uint8),
    np.empty(0, np.uint8),
)


class _Builder:
    """Nodes and edges of one module while they come in."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._texts = Texts(library)
        self._words: dict[str, int] = {}
        self._node_texts: list[int] = []
        self._node_kinds: list[int] = []
        self._edges: list[tuple[int, int, int, int]] = []
        """(from, to, flow, position)"""
        self._instructions: dict[int, int] = {}
        """Handle -> node; the last of a block is a terminator."""
        self._opcodes: list[int] = []
        self._starts: dict[int, int] = {}
        """Block -> node of its first instruction."""
        self._entries: dict[int, int] = {}
        """Defined function -> node of its first instruction."""
        self._returns: dict[int, list[int]] = {}
        """Defined function -> nodes of its returns."""
        self._terminators: set[int] = set()
        self._values: dict[int, int | None] = {}
        """Handle of a variable or constant -> node; None for what has none."""

    def build(self, module: Module) -> Graph:
        for instruction, opcode in self._number(module):
            self._instructions[instruction] = self._node(self._texts.instruction(instruction, opcode), Kind.INSTRUCTION)
            self._opcodes.append(opcode)
        for instruction, node in self._instructions.items():
            self._add_control(instruction, node)
            if self._opcodes[node] == SWITCH:
                self._add_switch(instruction, node)
            else:
                self._add_operands(instruction, node)
        edges = np.array(self._edges, dtype=np.int32).reshape(-1, 4).T
        return Graph(
            tuple(self._words),
            np.array(self._node_texts, dtype=np.int32),
            np.array(self._node_kinds, dtype=np.uint8),
            np.ascontiguousarray(edges[:2]),
            edges[2].astype(np.uint8),
            edges[3].clip(0, MAX_POSITION).astype(np.uint8),
        )

    def _number(self, module: Module) -> Iterator[tuple[int, int]]:
        """Instructions with their opcodes in order; takes down where functions and blocks begin and end."""
        library, node = self._library, 0
        for function in module.definitions():
            self._entries[function], self._returns[function] = node, []
            block = library.GetFirstBasicBlock(function)
            while block:
                self._starts[block] = node
                instruction = library.GetFirstInstruction(block)
                while instruction:
                    if node == MAX_INSTRUCTIONS:
                        return
                    opcode = library.GetInstructionOpcode(instruction)
                    if opcode == _RETURN:
                        self._returns[function].append(node)
                    yield instruction, opcode
                    node += 1
                    instruction = library.GetNextInstruction(instruction)
                self._terminators.add(node - 1)
                block = library.GetNextBasicBlock(block)

    def _add_control(self, instruction: int, node: int) -> None:
        if node not in self._terminators:
            if node + 1 < len(self._instructions):
                self._edges.append((node, node + 1, Flow.CONTROL, 0))
            return
        for i in range(self._library.GetNumSuccessors(instruction)):
            start = self._starts.get(self._library.GetSuccessor(instruction, i))
            if start is not None and start < len(self._instructions):
                self._edges.append((node, start, Flow.CONTROL, i))

    def _add_operands(self, instruction: int, node: int) -> None:
        library = self._library
        num_operands = library.GetNumOperands(instruction)
        if self._opcodes[node] in CALLS and self._add_call(library.GetCalledValue(instruction), node):
            num_operands -= 1  # the callee is the last
        for i in range(num_operands):
            self._add_data(library.GetOperand(instruction, i), node, i)

    def _add_switch(self, instruction: int, node: int) -> None:
        """The position of a case is that of its successor, in all versions of LLVM."""
        library = self._library
        self._add_data(library.GetOperand(instruction, 0), node, 0)
        for i in range(1, library.GetNumSuccessors(instruction)):
            apart = library.major >= _SWITCH_CASES_APART
            case = library.GetSwitchCaseValue(instruction, i) if apart else library.GetOperand(instruction, 2 * i)
            self._add_data(case, node, i)

    def _add_call(self, callee: int, node: int) -> bool:
        """Whether it is a direct call of a function."""
        if callee in self._entries and self._entries[callee] < len(self._instructions):
            self._edges.append((node, self._entries[callee], Flow.CALL, 0))
            self._edges += [(end, node, Flow.CALL, 0) for end in self._returns[callee]]
            return True
        if not self._library.IsAFunction(callee):
            return False
        target = self._value(callee)
        assert target is not None
        self._edges.append((node, target, Flow.CALL, 0))
        return True

    def _add_data(self, operand: int, node: int, position: int) -> None:
        source = self._values[operand] if operand in self._values else self._value(operand)
        if source is not None:
            self._edges.append((source, node, Flow.DATA, position))

    def _value(self, handle: int) -> int | None:
        """The node of a variable or constant, made where there is none yet; a result's with the edge to it."""
        if handle in self._values:
            return self._values[handle]
        kind = value_kind(self._library, handle)
        node: int | None = None
        if kind in (_ARGUMENT, _INSTRUCTION):
            producer = self._instructions.get(handle)
            if kind == _ARGUMENT or producer is not None:
                node = self._node(self._texts.variable(handle), Kind.VARIABLE)
            if producer is not None and node is not None:
                self._edges.append((producer, node, Flow.DATA, 0))
        elif kind not in (_BLOCK, _METADATA, _ASSEMBLY):
            node = self._node(self._texts.constant(handle, kind), Kind.CONSTANT)
        self._values[handle] = node
        return node

    def _node(self, text: str, kind: Kind) -> int:
        self._node_texts.append(self._words.setdefault(text, len(self._words)))
        self._node_kinds.append(kind)
        return len(self._node_kinds) - 1
