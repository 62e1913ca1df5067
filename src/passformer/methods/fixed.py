"""Methods that do not look at the code: -Oz alone, the shipped coreset in its order, random lists."""

from collections.abc import Iterator, Sequence
from itertools import islice

from passformer.autotune.coreset import Coreset, shipped_coreset
from passformer.autotune.sample import random_pass_lists
from passformer.llvm.catalog import searched_passes
from passformer.llvm.passlist import OZ
from passformer.llvm.sandbox import Pool
from passformer.methods.method import Proposal, Task, available


class Oz:
    """Nothing but the baseline."""

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`."""
        return (Proposal((OZ,)) for _ in tasks)


class CoresetOrder:
    """The lists of a coreset, in the same order for everything."""

    def __init__(self, coreset: Coreset | None = None) -> None:
        self._coreset = coreset

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`."""
        for task in tasks:
            lists = (self._coreset or shipped_coreset(task.objective)).pass_lists
            yield Proposal(tuple(islice((p for p in lists if available(p, task.llvm)), max(budget, 1))))


class RandomLists:
    """The same random lists for everything."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`."""
        for task in tasks:
            lists = random_pass_lists(f"search {self._seed}", searched_passes(task.llvm))
            yield Proposal(tuple(islice(lists, max(budget, 1))))
