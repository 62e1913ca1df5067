"""A table of results by IR state: a prefix that was met before, or a pass that changes nothing, never runs again.

A state is a module, known by a hash of its bitcode. Evaluating a pass list walks from state to state along remembered
transitions, and LLVM runs only where the walk leaves what is known. Most passes leave most functions as they are, and
lists share beginnings, so most steps are look-ups.

Runs in a sandbox worker: `sandbox.map(explorer, ir, lists_of_pipelines)`. The time of a list is read from the thread's
clock: while a worker's CPU limit runs, the kernel keeps the process's clock only roughly, a quarter too low.
"""

import contextlib
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from passformer.llvm.measure import text_bytes
from passformer.llvm.module import Module
from passformer.llvm.objective import Objective

_MODULE_BUDGET = 60_000
"""Instructions in modules that are kept open; the least recently used beyond that keep their bitcode alone."""


@dataclass(slots=True)
class State:
    """A module that some pass list leads to."""

    bitcode: bytes
    instructions: int
    text_bytes: int | None = None
    """Measured when a list ends here."""
    successors: dict[str, "State"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one pass list gave."""

    count: int
    """Instructions, or bytes of text."""
    num_passes_run: int
    """How many of its passes LLVM had to run; the others were known."""
    cpu_seconds: float
    """Of the worker, for this list."""


Evaluate = Callable[[Sequence[str]], Evaluation]


class StateTable:
    """All states of one module that some evaluation has reached."""

    def __init__(self, module: Module, objective: Objective = Objective.INSTRUCTIONS) -> None:
        self._objective = objective
        self._first = module  # owns the context that all others live in
        self._root = State(module.bitcode(), module.num_instructions)
        self._states = {_hash(self._root.bitcode): self._root}
        self._open: OrderedDict[int, tuple[State, Module]] = OrderedDict()
        self._open_instructions = 0

    def evaluate(self, pipelines: Sequence[str]) -> Evaluation:
        """The count after the pipelines, one pass each, in order. Raises LLVMError where LLVM refuses one."""
        started = time.thread_time()
        state, num_run = self.walk(pipelines)
        return Evaluation(self._count(state), num_run, time.thread_time() - started)

    def walk(self, pipelines: Sequence[str]) -> tuple[State, int]:
        """The state after the pipelines, the same object each time, and how many of them LLVM had to run."""
        state, num_run = self._root, 0
        for pipeline in pipelines:
            known = state.successors.get(pipeline)
            if known is None:
                known = state.successors[pipeline] = self._step(state, pipeline)
                num_run += 1
            state = known
        return state, num_run

    def module(self, state: State) -> Module:
        """The module of a state; it stays the table's, which may close it at the next call."""
        if state is self._root:
            return self._first
        if id(state) in self._open:
            self._open.move_to_end(id(state))
        else:
            self._keep(state, Module.parse(state.bitcode, beside=self._first))
        return self._open[id(state)][1]

    def close(self) -> None:
        """Free all modules but the first, and the states."""
        for _, module in self._open.values():
            module.close()
        self._open.clear()
        for state in self._states.values():
            state.successors.clear()  # they refer to each other in circles, and workers collect no garbage
        self._states.clear()

    def _count(self, state: State) -> int:
        if self._objective is Objective.INSTRUCTIONS:
            return state.instructions
        if state.text_bytes is None:
            state.text_bytes = text_bytes(self.module(state))
        return state.text_bytes

    def _step(self, state: State, pipeline: str) -> State:
        copy = self.module(state).clone()
        following = None
        try:
            copy.run(pipeline)
            bitcode = copy.bitcode()
            key = _hash(bitcode)
            if key in self._states:
                return self._states[key]
            copy.verify()
            following = self._states[key] = State(bitcode, copy.num_instructions)
            self._keep(following, copy)
            return following
        finally:
            if following is None:
                copy.close()

    def _keep(self, state: State, module: Module) -> None:
        self._open[id(state)] = state, module
        self._open_instructions += state.instructions
        while self._open_instructions > _MODULE_BUDGET and len(self._open) > 1:
            _, (oldest, its_module) = self._open.popitem(last=False)
            self._open_instructions -= oldest.instructions
            its_module.close()


@contextlib.contextmanager
def explorer(ir: bytes, objective: Objective = Objective.INSTRUCTIONS) -> Iterator[Evaluate]:
    """Pipelines of single passes -> Evaluation, all of one module, on one table."""
    with Module.parse(ir, names=False) as module:
        table = StateTable(module, objective)
        try:
            yield table.evaluate
        finally:
            table.close()


@contextlib.contextmanager
def whole_runner(ir: bytes, objective: Objective = Objective.INSTRUCTIONS) -> Iterator[Evaluate]:
    """The same without a table: every list is run from its beginning, as one pipeline. For comparison."""
    with Module.parse(ir) as module:

        def evaluate(pipelines: Sequence[str]) -> Evaluation:
            started = time.thread_time()
            with module.clone() as copy:
                copy.run(",".join(pipelines))
                copy.verify()
                count = copy.num_instructions if objective is Objective.INSTRUCTIONS else text_bytes(copy)
                return Evaluation(count, len(pipelines), time.thread_time() - started)

        yield evaluate


def _hash(bitcode: bytes) -> bytes:
    return hashlib.blake2b(bitcode, digest_size=16).digest()
