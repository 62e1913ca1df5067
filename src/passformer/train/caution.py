"""What lists save by what is best, and how sure a model must be to name one that nothing verifies."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from passformer.autotune.labels import canonical_columns
from passformer.autotune.tunings import LOST, Matrix
from passformer.corpus.store import Corpus, draw_order
from passformer.dataset.rows import TokenRow
from passformer.dataset.tokens import read_tokens
from passformer.llvm.passlist import OZ
from passformer.llvm.progress import Report, silent
from passformer.methods.model import ONE_SHOT, chances_of, form_for
from passformer.model.package import Package
from passformer.model.savings import Savings, savings_of

MOST_REGRESSED = 0.01
"""Share of all functions that an unverified list may make larger."""
_CAUTIONS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
_LOSS = -50
"""Instructions that a list which LLVM does not survive is said to save."""


def train_savings(corpus: Corpus, matrix: Matrix) -> Savings:
    """From the functions of train."""
    columns = corpus.columns(["id", "split"]).to_pydict()
    train = {id_ for id_, split in zip(columns["id"], columns["split"], strict=True) if split == "train"}
    rows = [i for i, id_ in enumerate(matrix.function_ids) if id_ in train]
    part = Matrix([matrix.function_ids[i] for i in rows], matrix.pass_lists, matrix.baseline[rows], matrix.counts[rows])
    return savings_of(canonical_columns(part), saved(part), [str(p) for p in matrix.pass_lists], str(OZ))


def saved(matrix: Matrix) -> "np.typing.NDArray[np.int64]":
    """(functions, lists) instructions saved over -Oz."""
    return np.where(matrix.counts == LOST, _LOSS, matrix.baseline[:, None] - matrix.counts)


def validation_rows(corpus: Corpus, number: int) -> list[TokenRow]:
    """Functions of validation, the same each time."""
    rows = read_tokens(corpus.folder / "dataset", "validation")
    return sorted(rows, key=lambda row: draw_order(row.function_id))[:number]


def find_caution(
    package: Package, rows: Sequence[TokenRow], matrix: Matrix, report: Report = silent
) -> tuple[float, dict[str, Any]]:
    """The caution with which unverified lists save most while few enough functions get larger, and what they do.

    What a list does is looked up in the tuning run, where every list was tried on every function.
    """
    place = {id_: i for i, id_ in enumerate(matrix.function_ids)}
    column = {str(p): i for i, p in enumerate(matrix.pass_lists)}
    gains = saved(matrix)
    form = form_for(package, 0)
    known = [row for row in rows if row.function_id in place]
    outcomes = np.zeros((len(known), len(_CAUTIONS)), dtype=np.int64)
    for number, row in enumerate(known):
        if not package.writer.is_cut(form, row):
            prompt = package.writer.prompt(form, row).tolist()
            chances = {str(p): c for p, c in chances_of(package, prompt, ONE_SHOT).items()}
            for i, caution in enumerate(_CAUTIONS):
                chosen = package.savings.choose(chances, caution)
                if chosen != str(OZ):
                    outcomes[number, i] = gains[place[row.function_id], column[chosen]]
        report("finding how cautious to be", number + 1, len(known))
    regressed = (outcomes < 0).mean(axis=0) if len(known) else np.zeros(len(_CAUTIONS))
    allowed = [i for i in range(len(_CAUTIONS)) if regressed[i] <= MOST_REGRESSED] or [len(_CAUTIONS) - 1]
    best = max(allowed, key=lambda i: outcomes[:, i].sum())
    baseline = sum(row.oz_count for row in known)
    figures = {
        "functions": len(known),
        "caution": _CAUTIONS[best],
        "improvement": 100 * float(outcomes[:, best].sum()) / max(baseline, 1),
        "regressed": 100 * float(regressed[best]),
    }
    return _CAUTIONS[best], figures
