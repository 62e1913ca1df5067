"""Coreset-NVP as a method: the network ranks the coreset for a program, and the best lists are tried.

With a budget these are the first lists that hold 45 passes together (see `values`), at most as many as the budget.
Without one the first is the answer, unseen; it may be -Oz.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from passformer.baselines.coreset_nvp.graph import Graph, program_graph
from passformer.baselines.coreset_nvp.ranker import Ranker, read_ranker
from passformer.baselines.coreset_nvp.values import ranked, within_passes
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ
from passformer.llvm.sandbox import Failure, Pool, Sandbox
from passformer.methods.method import Proposal, Stopwatch, Task, available

FOLDER = "coreset-nvp"
"""Below a tuned corpus: what was trained on it."""


class CoresetNVP:
    """Opened at first use; a program that has no graph, because LLVM cannot read it, is left to -Oz."""

    def __init__(self, training: Path | None) -> None:
        if training is None:
            raise InputError("coreset-nvp needs the tuned corpus that it was trained on: --training DIR")
        self._folder = training / FOLDER
        self._ranker: Ranker | None = None

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`. Raises InputError where there is no network, or one for another LLVM version."""
        if not tasks:
            return
        self._ranker = self._ranker or read_ranker(self._folder, tasks[0].llvm)
        made = list(pool.map(_graph, tasks))
        started = time.process_time()
        predicted = self._ranker.predict([graph for graph, _ in made])
        each = (time.process_time() - started) / len(tasks)
        rankings = ranked(self._ranker.pass_lists, predicted)
        for task, (graph, seconds), lists in zip(tasks, made, rankings, strict=True):
            usable = [p for p in lists if p == OZ or available(p, task.llvm)]
            if not len(graph.node_texts):
                usable = [OZ]
            elif budget > 0:
                usable = within_passes(usable)[:budget]
            yield Proposal(tuple(usable[: max(budget, 1)]) or (OZ,), seconds + each)


def _graph(sandbox: Sandbox, task: Task) -> tuple[Graph, float]:
    """With the CPU-seconds that it took; empty where LLVM fails."""
    watch = Stopwatch(sandbox)
    graph = sandbox.call(program_graph, task.ir)
    return _EMPTY if isinstance(graph, Failure) else graph, watch.cpu_seconds


_EMPTY = Graph(
    (),
    np.empty(0, np.int16),
    np.empty(0, np.uint8),
    np.empty((2, 0), np.int32),
    np.empty(0, np.uint8),
    np.empty(0, np.uint8),
)
