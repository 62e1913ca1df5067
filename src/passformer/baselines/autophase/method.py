"""The method `autophase`: an agent plays an episode on each task, and the smallest state counts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from passformer.baselines.autophase.agent import play, read_policy
from passformer.baselines.autophase.environment import EPISODE
from passformer.baselines.autophase.inside import in_worker
from passformer.llvm.errors import CompilerError
from passformer.llvm.passlist import OZ
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.methods.method import Proposal, Stopwatch, Task


class AutoPhase:
    """`budget` steps of an episode (45 at most); without a budget it sees nothing, and has nothing to say but -Oz."""

    def __init__(self, folder: Path) -> None:
        """`folder`: what training wrote. Raises InputError where there is no agent, or one for other passes."""
        self._policy = read_policy(folder)

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`."""

        def one(sandbox: Sandbox, task: Task) -> Proposal:
            if budget == 0:
                return Proposal((OZ,))
            watch = Stopwatch(sandbox)
            try:
                played = in_worker(sandbox, play, self._policy, task.ir, task.protocol, min(budget, EPISODE))
            except CompilerError:  # LLVM fails on -Oz itself
                return Proposal((OZ,))
            return Proposal((played.pass_list,), watch.cpu_seconds, played.num_steps)

        return pool.map(one, tasks)
