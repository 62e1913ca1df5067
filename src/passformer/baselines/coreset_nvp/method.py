"""Coreset-NVP as a method: the network ranks the coreset for a program, and the best lists are tried.

With a budget these are the first lists that hold 45 passes together (see `values`), at most as many as the budget.
Without one the first is the answer, unseen; it may be -Oz.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from passformer.baselines.coreset_nvp.graph import Graph, make_graph
from passformer.baselines.coreset_nvp.ranker import read_ranker
from passformer.baselines.coreset_nvp.values import ranked, within_passes
from passformer.llvm.passlist import OZ
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.methods.method import Proposal, Stopwatch, Task, available


class CoresetNVP:
    """A program without a graph, because it has no instructions or LLVM cannot read it, is left to -Oz."""

    def __init__(self, folder: Path) -> None:
        """`folder`: what training wrote. Raises InputError where there is no network, or one for another LLVM."""
        self._ranker = read_ranker(folder)

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`."""
        if not tasks:
            return
        made = list(pool.map(_graph, tasks))
        started = time.process_time()
        predicted = self._ranker.predict([graph for graph, _ in made])
        each = (time.process_time() - started) / len(tasks)
        rankings = ranked(self._ranker.pass_lists, predicted)
        for task, (graph, seconds), lists in zip(tasks, made, rankings, strict=True):
            usable = [p for p in lists if p == OZ or available(p, task.llvm)] if len(graph.node_texts) else []
            chosen = within_passes(usable)[:budget] if budget else usable[:1]
            yield Proposal(tuple(chosen) or (OZ,), seconds + each)


def _graph(sandbox: Sandbox, task: Task) -> tuple[Graph, float]:
    """With the CPU-seconds that it took."""
    watch = Stopwatch(sandbox)
    graph = make_graph(sandbox, task.ir)
    return graph, watch.cpu_seconds
