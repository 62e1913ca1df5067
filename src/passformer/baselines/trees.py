"""Gradient-boosted trees on opcode counts, one ensemble a pass list: the honest cheap rival.

Each ensemble predicts how many instructions its list saves over -Oz. The features are the counts of each opcode in the
unoptimised function, and in view `both` also after -Oz: the same views of the code as the model has.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor

from passformer.autotune.tunings import LOST, Matrix
from passformer.corpus.store import Function
from passformer.dataset.prompt import Form
from passformer.llvm.module import Module
from passformer.llvm.passlist import PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Failure, Pool, Sandbox

Features = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Trees:
    """Fitted ensembles."""

    form: Form
    pass_lists: tuple[PassList, ...]
    ensembles: tuple[Any, ...]
    """A regressor a list."""

    def predict(self, features: Features) -> npt.NDArray[np.float64]:
        """(functions, features) -> instructions that each list is expected to save, (functions, lists)."""
        return np.column_stack([ensemble.predict(features) for ensemble in self.ensembles])

    def rank(self, features: Features) -> list[list[PassList]]:
        """For each function the lists that are expected to save something, the most first."""
        return [
            [self.pass_lists[i] for i in np.argsort(-row, kind="stable") if row[i] > 0]
            for row in self.predict(features)
        ]


@contextlib.contextmanager
def opcode_counter(ir: bytes) -> Iterator[Callable[[str], list[int]]]:
    """Pipeline -> opcode counts of the module after it; in a worker."""
    with Module.parse(ir) as module:

        def count(pipeline: str) -> list[int]:
            with module.clone() as copy:
                copy.run(pipeline)
                return copy.opcode_counts()

        yield count


def features_of(functions: Sequence[Function], oz_pipeline: str, form: Form, pool: Pool) -> Features:
    """(functions, features); where LLVM fails, zeros."""
    pipelines = ["", oz_pipeline] if form is Form.BOTH else [""]

    def row(sandbox: Sandbox, function: Function) -> list[int]:
        counts = list(sandbox.map(opcode_counter, function.ir, pipelines))
        return [n for c in counts for n in ([0] if isinstance(c, Failure) else c)]

    rows = list(pool.map(row, functions))
    width = max(map(len, rows), default=0)
    return np.array([r if len(r) == width else [0] * width for r in rows], dtype=np.float32)


def fit_trees(
    matrix: Matrix, features: Features, form: Form, iterations: int = 100, seed: int = 0, report: Report = silent
) -> Trees:
    """Fit on functions whose rows in `matrix` and `features` correspond; what LLVM did not survive saves nothing."""
    saved = np.where(matrix.counts == LOST, 0, matrix.baseline[:, None] - matrix.counts)
    ensembles = []
    for i in range(saved.shape[1]):
        ensemble = HistGradientBoostingRegressor(max_iter=iterations, random_state=seed)
        ensembles.append(ensemble.fit(features, saved[:, i]))
        report("fitting trees", i + 1, saved.shape[1])
    return Trees(form, tuple(matrix.pass_lists), tuple(ensembles))
