"""What lists save by what is best, and how sure a model must be to name one that nothing verifies."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from passformer.autotune.labels import canonical_columns
from passformer.autotune.tunings import Matrix
from passformer.corpus.store import Corpus, draw_order
from passformer.dataset.rows import TokenRow
from passformer.dataset.tokens import read_tokens
from passformer.llvm.passlist import OZ
from passformer.llvm.progress import Report, silent
from passformer.methods.model import chances_of, form_for
from passformer.model.exemplars import MOST, Exemplars, exemplars_of
from passformer.model.package import Package
from passformer.train.config import DataSection

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
TRUST = 1.2
"""Found on validation functions; see `Exemplars.trust`."""
MOST_REGRESSED = 0.008
"""Share of all functions that an unverified list may make larger: 1 %, and a fifth less because this is a sample."""


def train_exemplars(corpus: Corpus, matrix: Matrix, data: DataSection) -> Exemplars:
    """From the functions of train, for a model that was shown them as `data` says."""
    columns = corpus.columns(["id", "split", "instructions"]).to_pydict()
    facts = zip(columns["id"], columns["split"], columns["instructions"], strict=True)
    sizes = {id_: size for id_, split, size in facts if split == "train"}
    rows = [i for i, id_ in enumerate(matrix.function_ids) if id_ in sizes]
    ids = [matrix.function_ids[i] for i in rows]
    part = Matrix(ids, matrix.pass_lists, matrix.baseline[rows], matrix.counts[rows])
    gains = part.saved(-MOST)
    shares, shown = _as_shown(gains, canonical_columns(part), data)
    lists = [str(p) for p in matrix.pass_lists]
    return exemplars_of(shares, shown, gains, np.array([sizes[i] for i in ids]), lists, str(OZ), TRUST)


def _as_shown(gains: Integers, labels: Integers, data: DataSection) -> tuple[Floats, Floats]:
    """What `draw_answers` and `PackStream` make of F functions and L lists on average.

    (F, 1 + L) how often each answer is shown with a function, -Oz first, and (F,) how much the function counts.
    """
    best = gains.max(axis=1, initial=0)
    is_better = best > 0
    shares = np.zeros((len(gains), 1 + gains.shape[1]))
    if np.isinf(data.sharpness):
        shares[np.arange(len(gains)), labels + 1] = 1
    else:
        relative = gains[is_better].clip(0) / best[is_better, None]
        shares[is_better, 1:] = relative**data.sharpness
        shares[~is_better, 0] = 1
        shares /= shares.sum(axis=1, keepdims=True)
    num_better = int(is_better.sum())
    share_of_others = min(1.0, data.negatives * num_better / max(len(gains) - num_better, 1))
    return shares, np.where(is_better, (1.0 + best) ** data.gain_power, share_of_others)


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
    gains = matrix.saved(-MOST)
    form = form_for(package, 0)
    known = [row for row in rows if row.function_id in place]
    expected, outcomes = np.zeros(len(known)), np.zeros(len(known), dtype=np.int64)
    for number, row in enumerate(known):
        if not package.writer.leaves_out(form, row):
            prompt = package.writer.prompt(form, row).tolist()
            weights = package.exemplars.posterior(chances_of(package, prompt, 0), row.before)
            chosen, expected[number] = package.exemplars.best(weights)
            if expected[number] > 0:
                outcomes[number] = gains[place[row.function_id], column[chosen]]
        report("finding how cautious to be", number + 1, len(known))
    caution = _threshold(expected, outcomes)
    done = outcomes[expected > caution]
    figures = {
        "functions": len(known),
        "caution": caution,
        "improvement": 100 * float(done.sum()) / max(sum(row.oz_count for row in known), 1),
        "regressed": 100 * float((done < 0).sum()) / max(len(known), 1),
    }
    return caution, figures


def _threshold(expected: Floats, outcomes: Integers) -> float:
    """What must be expected to be exceeded, such that the sum of outcomes is largest and few enough are negative."""
    cautions = np.unique(np.append(expected, 0.0))
    order = np.argsort(-expected, kind="stable")
    num_done = np.searchsorted(-expected[order], -cautions, side="left")  # those expected to save more
    total, regressed = (np.append(0, np.cumsum(x[order]))[num_done] for x in (outcomes, outcomes < 0))
    allowed = regressed <= MOST_REGRESSED * len(expected)
    return float(cautions[allowed][total[allowed].argmax()])
