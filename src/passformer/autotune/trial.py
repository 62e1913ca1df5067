"""One function or module under search: evaluate pass lists within a budget, and remember the best."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

from passformer.autotune.statetable import Evaluate, explorer
from passformer.llvm.errors import CompilerError
from passformer.llvm.objective import Objective
from passformer.llvm.passlist import OZ, PassList, pass_pipeline
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Failure, Sandbox


@dataclass(frozen=True, slots=True)
class Point:
    """Where a search stood after some compilations: what the curves are drawn from."""

    compilations: int
    cpu_seconds: float
    best: int


@dataclass(slots=True)
class Trial:
    """A function, what its lists gave so far, and what may still be spent on it."""

    sandbox: Sandbox
    ir: bytes
    llvm: int
    """Major version."""
    budget: int
    """Pass lists that may be evaluated, known or new, beside -Oz."""
    protocol: Protocol = Protocol.CLANG
    evaluator: Callable[..., AbstractContextManager[Evaluate]] = explorer
    """`explorer` or `whole_runner`."""
    objective: Objective = Objective.INSTRUCTIONS
    """What all counts here count."""
    baseline: int = 0
    """Under -Oz."""
    results: dict[PassList, int] = field(default_factory=dict)
    """Count of each list that LLVM survived, in the order of evaluation; -Oz is among them."""
    failures: dict[PassList, Failure] = field(default_factory=dict)
    compilations: int = 0
    """Lists evaluated, -Oz not counted."""
    num_passes_run: int = 0
    cpu_seconds: float = 0.0
    """Of the worker, -Oz included."""
    curve: list[Point] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.objective is not Objective.INSTRUCTIONS:
            self.evaluator = partial(self.evaluator, objective=self.objective)
        self._evaluate([OZ])
        if OZ not in self.results:
            raise CompilerError(f"LLVM fails on -Oz itself: {self.failures[OZ]}")
        self.baseline = self.results[OZ]
        self._mark()

    @property
    def remaining(self) -> int:
        """Lists that may still be evaluated."""
        return self.budget - self.compilations

    @property
    def winner(self) -> PassList:
        """The list with the lowest count; of equals the shortest, then the earliest."""
        return min(self.results, key=lambda p: (self.results[p], len(p)))

    @property
    def best(self) -> int:
        """The winner's count."""
        return min(self.results.values())

    def try_lists(self, pass_lists: Sequence[PassList]) -> list[int | None]:
        """Count of each list (None: LLVM did not survive it); lists beyond the budget are cut off.

        Lists that were tried before cost nothing.
        """
        fresh = [p for p in dict.fromkeys(pass_lists) if p not in self.results and p not in self.failures]
        fresh = fresh[: self.remaining]
        self.compilations += len(fresh)
        self._evaluate(fresh)
        if fresh:
            self._mark()
        return [self.results.get(p) for p in pass_lists if p in self.results or p in self.failures]

    def _evaluate(self, pass_lists: Sequence[PassList]) -> None:
        pipelines = [[pass_pipeline(name, self.llvm, self.protocol) for name in p.names] for p in pass_lists]
        for pass_list, outcome in zip(pass_lists, self.sandbox.map(self.evaluator, self.ir, pipelines), strict=True):
            if isinstance(outcome, Failure):
                self.failures[pass_list] = outcome
                continue
            self.results[pass_list] = outcome.count
            self.num_passes_run += outcome.num_passes_run
            self.cpu_seconds += outcome.cpu_seconds

    def _mark(self) -> None:
        self.curve.append(Point(self.compilations, self.cpu_seconds, self.best))


def minimise(pass_list: PassList, still_good: Callable[[PassList], bool]) -> PassList:
    """Drop passes that do not contribute: the shortest list on the way down for which `still_good` holds.

    Tries halves, quarters and so on, then single passes, until no single pass can go. `still_good` is asked for
    candidates only, never for `pass_list` itself.
    """
    names = pass_list.names
    size = max(1, len(names) // 2)
    while True:
        shorter = None
        for start in range(0, len(names), size):
            candidate = PassList(names[:start] + names[start + size :])
            if still_good(candidate):
                shorter = candidate.names
                break
        if shorter is not None:
            names = shorter
        elif size == 1:
            return PassList(names)
        else:
            size //= 2
        size = max(1, min(size, len(names) // 2)) if names else 1
        if not names:
            return PassList(())
