"""Gradient-boosted trees on opcode counts, one ensemble a pass list: the honest cheap rival.

The features are the counts of each opcode in the unoptimised function, and in view `both` also after -Oz: the same
views of the code as the model has. Two questions are asked of them, each where it answers best. How much does a list
save? names one list that nothing verifies, and no more functions get larger than the model's lists may make so. Which
list is the best one? ranks lists that are run, from the probabilities as the model does from its own
(`passformer.model.exemplars`).
"""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from passformer.autotune.labels import canonical_columns
from passformer.autotune.tunings import Matrix, read_broadcasts, to_matrix
from passformer.corpus.store import Corpus
from passformer.dataset.prompt import Form
from passformer.llvm.errors import InputError
from passformer.llvm.measure import opcode_counter
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Failure, Pool, Sandbox
from passformer.methods.method import Proposal, Stopwatch, Task
from passformer.model.exemplars import MOST, Exemplars, exemplars_of, size_points
from passformer.train.price import FOLDS, PRICES, best_price

Features = npt.NDArray[np.float32]
GAIN_POWER = 0.7
"""Functions count by what can be saved on them, as they do for the model."""


class Savings:
    """A regressor a list: how many instructions it saves over -Oz."""

    def __init__(self, pass_lists: Sequence[PassList], regressors: Sequence[Any], caution: float = 0.0) -> None:
        """`caution`: instructions that must be predicted to be saved."""
        self._pass_lists = list(pass_lists)
        self.regressors = regressors
        self.caution = caution

    def predict(self, features: Features) -> npt.NDArray[np.float64]:
        """(functions, features) -> (functions, lists)."""
        return np.column_stack([regressor.predict(features) for regressor in self.regressors])

    def rank(self, features: Features, number: int) -> list[list[PassList]]:
        """For each function the lists that save most; -Oz stands where that is too little."""
        ranked = []
        for row in self.predict(features):
            order = np.argsort(-row, kind="stable")
            num_gains = int((row > self.caution).sum())
            lists = [self._pass_lists[i] for i in order]
            ranked.append([*lists[:num_gains], OZ, *lists[num_gains:]][:number])
        return ranked


class Winners:
    """A classifier: which list is the canonical best one, -Oz where none beats it."""

    def __init__(self, pass_lists: Sequence[PassList], classifier: Any, exemplars: Exemplars) -> None:
        self._answers = [str(OZ if label < 0 else pass_lists[label]) for label in classifier.classes_]
        self._classifier = classifier
        self._exemplars = exemplars

    def rank(self, features: Features, number: int) -> list[list[PassList]]:
        """For each function lists to try beside -Oz."""
        ranked = []
        points = size_points(_sizes(features))
        for row, point in zip(self._classifier.predict_proba(features), points, strict=True):
            chances = dict(zip(self._answers, row.tolist(), strict=True))
            weights = self._exemplars.posterior(chances, point)
            ranked.append([PassList.parse(t) for t in islice(self._exemplars.rank(weights, chances), number)])
        return ranked


class TreesMethod:
    """Fitted at first use on the tuned functions of a corpus's train split, in the view that the budget allows."""

    def __init__(self, training: Path | None, seed: int = 0, report: Report = silent) -> None:
        if training is None:
            raise InputError("trees need a tuned corpus to learn from: --training DIR")
        self._corpus = Corpus(training)
        self._seed = seed
        self._report = report
        self._fitted: dict[Form, Savings | Winners] = {}

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`."""
        form = Form.BOTH if budget > 0 else Form.PAPER
        if form not in self._fitted:
            self._fitted[form] = train_trees(self._corpus, form, pool, self._seed, self._report)
        features, reading = features_of([task.ir for task in tasks], _oz(tasks[0].llvm, tasks[0].protocol), form, pool)
        started = time.process_time()
        ranked = self._fitted[form].rank(features, max(budget, 1))
        each = (time.process_time() - started) / max(len(tasks), 1)
        for lists, seconds in zip(ranked, reading, strict=True):
            yield Proposal(tuple(lists), seconds + each)


def train_trees(corpus: Corpus, form: Form, pool: Pool, seed: int = 0, report: Report = silent) -> Savings | Winners:
    """On all functions of train that the corpus's run `default` has tuned; what is asked depends on the view."""
    matrix = to_matrix(read_broadcasts(corpus.folder / "tunings" / "default"))
    row = {id_: i for i, id_ in enumerate(matrix.function_ids)}
    functions = [f for f in corpus.functions(["train"]) if f.id in row]
    llvm = int(corpus.manifest["llvm"].split(".")[0])
    features, _ = features_of([f.ir for f in functions], _oz(llvm, corpus.protocol), form, pool, report)
    rows = [row[f.id] for f in functions]
    part = Matrix([f.id for f in functions], matrix.pass_lists, matrix.baseline[rows], matrix.counts[rows])
    if form is Form.BOTH:
        return fit_winners(part, features, seed=seed, report=report)
    groups = np.unique([f.group for f in functions], return_inverse=True)[1]
    return fit_cautious_savings(part, features, groups, seed, report)


def _oz(llvm: int, protocol: Protocol) -> str:
    return OZ.pipeline(llvm, protocol)


def features_of(
    modules: Sequence[bytes], oz_pipeline: str, form: Form, pool: Pool, report: Report = silent
) -> tuple[Features, list[float]]:
    """(functions, features), zeros where LLVM fails; and the CPU-seconds that each took."""
    pipelines = ["", oz_pipeline] if form is Form.BOTH else [""]

    def row(sandbox: Sandbox, ir: bytes) -> tuple[list[int], float]:
        watch = Stopwatch(sandbox)
        counts = list(sandbox.map(opcode_counter, ir, pipelines))
        return [n for c in counts for n in ([0] if isinstance(c, Failure) else c)], watch.cpu_seconds

    rows, seconds = [], []
    for counts, took in pool.map(row, modules):
        rows.append(counts)
        seconds.append(took)
        report("counting opcodes", len(rows), len(modules))
    width = max(map(len, rows), default=0)
    return np.array([r if len(r) == width else [0] * width for r in rows], dtype=np.float32), seconds


def fit_savings(
    matrix: Matrix, features: Features, iterations: int = 100, seed: int = 0, report: Report = silent
) -> Savings:
    """Fit on functions whose rows in `matrix` and `features` correspond; what LLVM did not survive saves nothing."""
    saved = matrix.saved(0).clip(-MOST, MOST)
    regressors = []
    for i in range(saved.shape[1]):
        regressor = HistGradientBoostingRegressor(max_iter=iterations, random_state=seed)
        regressors.append(regressor.fit(features, saved[:, i]))
        report("fitting trees", i + 1, saved.shape[1])
    return Savings(matrix.pass_lists, regressors)


def fit_cautious_savings(
    matrix: Matrix, features: Features, groups: npt.NDArray[np.int64], seed: int = 0, report: Report = silent
) -> Savings:
    """As `fit_savings`, and no more functions get larger than the model's lists may make so.

    That is found on functions of each half of the groups, by regressors that know the other half.
    """
    expected, saved = np.zeros(len(groups)), np.zeros(len(groups), dtype=np.int64)
    for number in range(FOLDS):
        inside = groups % FOLDS == number
        outside = ~inside if not inside.all() else inside
        if not inside.any():
            continue
        ids = [id_ for id_, out in zip(matrix.function_ids, outside, strict=True) if out]
        part = Matrix(ids, matrix.pass_lists, matrix.baseline[outside], matrix.counts[outside])
        predicted = fit_savings(part, features[outside], seed=seed, report=report).predict(features[inside])
        expected[inside] = predicted.max(axis=1)
        saved[inside] = matrix.saved(-MOST)[inside, predicted.argmax(axis=1)].clip(-MOST, MOST)
    caution = best_price({price: np.where(expected > price, saved, 0) for price in PRICES})
    whole = fit_savings(matrix, features, seed=seed, report=report)
    return Savings(matrix.pass_lists, whole.regressors, caution)


def fit_winners(
    matrix: Matrix, features: Features, iterations: int = 60, seed: int = 0, report: Report = silent
) -> Winners:
    """Fit on functions whose rows in `matrix` and `features` (of view `both`) correspond.

    The classes are many and most of them rare: at scikit-learn's own settings the loss on validation functions ends
    above that of the classes' frequencies. With these, found on validation functions, it does not.
    """
    report("fitting trees", 0, 1)
    labels, saved = canonical_columns(matrix), matrix.saved(-MOST)
    shown = (1.0 + saved.max(axis=1, initial=0)) ** GAIN_POWER
    classifier = HistGradientBoostingClassifier(
        max_iter=iterations,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=int(np.clip(len(labels) // 600, 20, 200)),
        l2_regularization=10,
        early_stopping=False,
        random_state=seed,
    )
    classifier.fit(features, labels, sample_weight=shown)
    shares = np.zeros((len(labels), 1 + len(matrix.pass_lists)))
    shares[np.arange(len(labels)), labels + 1] = 1
    points, lists = size_points(_sizes(features)), [str(p) for p in matrix.pass_lists]
    exemplars = exemplars_of([str(OZ), *lists], shares, shown, lists, saved, points)
    report("fitting trees", 1, 1)
    return Winners(matrix.pass_lists, classifier, exemplars)


def _sizes(features: Features) -> npt.NDArray[np.int64]:
    """(functions,) instructions before any optimisation, from features of view `both`."""
    sizes: npt.NDArray[np.int64] = features[:, : features.shape[1] // 2].sum(axis=1).astype(np.int64)
    return sizes
