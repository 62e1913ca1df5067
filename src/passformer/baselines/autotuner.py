"""The autotuner as a method: spend the budget on each function alone, and propose the best list found."""

import random
from collections.abc import Iterator, Sequence

from passformer.autotune.search import SEARCHES
from passformer.autotune.trial import Trial
from passformer.llvm.catalog import searched_passes
from passformer.llvm.errors import CompilerError
from passformer.llvm.passlist import OZ
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.methods.method import Proposal, Stopwatch, Task


class Autotuner:
    """A search of `budget` compilations a function; without a budget it has nothing to say but -Oz."""

    def __init__(self, seed: int = 0, search: str = "mutation") -> None:
        self._seed = seed
        self._search = SEARCHES[search]

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`."""

        def one(sandbox: Sandbox, task: Task) -> Proposal:
            if budget == 0:
                return Proposal((OZ,))
            watch = Stopwatch(sandbox)
            try:
                trial = Trial(sandbox, task.ir, task.llvm, budget, task.protocol)
            except CompilerError:  # LLVM fails on -Oz itself
                return Proposal((OZ,))
            self._search(trial, random.Random(f"{self._seed}"), searched_passes(task.llvm))
            return Proposal((trial.winner,), watch.cpu_seconds, trial.compilations)

        return pool.map(one, tasks)
