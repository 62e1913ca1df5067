"""The lists for whole modules (objective `text`), first those that saved much on modules like the one at hand."""

from collections.abc import Iterator, Sequence

from passformer.autotune.neighbours import count_opcodes, shipped_neighbours
from passformer.llvm.passlist import OZ
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.methods.method import Proposal, Stopwatch, Task, available


class Neighbours:
    """Without a budget it proposes -Oz: what was good on other modules may do harm here."""

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`."""

        def one(sandbox: Sandbox, task: Task) -> Proposal:
            watch = Stopwatch(sandbox)
            lists = shipped_neighbours("text").rank(count_opcodes(task.ir, sandbox)) if budget else [OZ]
            return Proposal(tuple([p for p in lists if available(p, task.llvm)][: max(budget, 1)]), watch.cpu_seconds)

        return pool.map(one, tasks)
