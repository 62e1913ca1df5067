"""What is learnt from a tuned corpus once a model is trained: which functions are alike, and which risks to take.

The model is asked about functions of train, whose savings by every list are known from the tuning runs. They become the
exemplars that its answers are weighed by (`passformer.model.exemplars`), and each form of prompt gets an embedding that
says which of them are near. More lists may be known than the model can name.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from passformer.autotune.labels import canonical_columns
from passformer.autotune.tunings import Matrix
from passformer.corpus.store import Corpus, draw_order
from passformer.dataset.examples import Texts, read_texts
from passformer.dataset.prompt import Form
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ
from passformer.llvm.progress import Report, silent
from passformer.methods.model import chances_of, form_for
from passformer.model.embedding import Embedding, features_of
from passformer.model.exemplars import MOST, Exemplars, exemplars_of
from passformer.model.package import Package
from passformer.model.retrieval import Retrieval
from passformer.train.config import DataSection
from passformer.train.embedding import Examples, train_embedding
from passformer.train.price import FOLDS, PRICES, best_price

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a runtime folder holds beside the model."""

    retrieval: dict[Form, Retrieval]
    price: float
    """See `Facts`."""
    figures: dict[str, Any]
    """What unverified lists do, on functions of groups that no exemplar was of."""


@dataclass(frozen=True, slots=True)
class Known:
    """N functions of train."""

    texts: list[Texts]
    groups: Integers
    """(N,)"""
    gains: Integers
    """(N, L) instructions saved over -Oz, `MOST` at most and -`MOST` at least."""
    exemplars: Exemplars
    """The same functions; they stand nowhere yet."""

    def outcomes(self, chosen: Sequence[str]) -> Integers:
        """(N,) what a list for each function saves; -Oz saves nothing."""
        column = {text: i for i, text in enumerate(self.exemplars.lists)}
        saved = [self.gains[row, column[text]] if text in column else 0 for row, text in enumerate(chosen)]
        return np.array(saved, dtype=np.int64)


def learn_retrieval(
    package: Package, corpus: Corpus, matrix: Matrix, data: DataSection, functions: int, report: Report = silent
) -> Learnt:
    """For a model that was shown functions as `data` says, from at most `functions` of a corpus's train split."""
    known = known_functions(corpus, matrix, nameable(package, matrix), data, functions)
    retrieval: dict[Form, Retrieval] = {}
    for form in package.facts.forms:
        examples = examples_of(package, form, known, report)
        retrieval[form] = _retrieval(form, examples, known.exemplars, report)
        if form is form_for(package, 0):
            outcomes = _held_out(form, examples, known, report)
    price = best_price(outcomes)
    figures = {
        "functions": len(known.texts),
        "price": price,
        "improvement": 100 * float(outcomes[price].sum()) / max(sum(text.oz_count for text in known.texts), 1),
        "improved": 100 * float((outcomes[price] > 0).mean()),
        "regressed": 100 * float((outcomes[price] < 0).mean()),
    }
    return Learnt(retrieval, price, figures)


def nameable(package: Package, matrix: Matrix) -> list[int]:
    """The lists, as columns, that a model is asked about: those that are one token to it, all where none is."""
    if not package.grammar.writes_lists:
        return list(range(len(matrix.pass_lists)))
    named = set(package.grammar.passes.values())
    return [i for i, pass_list in enumerate(matrix.pass_lists) if pass_list.names in named]


def known_functions(corpus: Corpus, matrix: Matrix, answers: Sequence[int], data: DataSection, functions: int) -> Known:
    """A sample of train, the same each time; raises InputError where the tuning run has none of it.

    `answers`: the columns of `matrix` that the model may name.
    """
    place = {id_: i for i, id_ in enumerate(matrix.function_ids)}
    columns = corpus.columns(["id", "group"]).to_pydict()
    group = dict(zip(columns["id"], columns["group"], strict=True))
    texts = [text for text in read_texts(corpus.folder / "dataset", ["train"]) if text.function_id in place]
    if not texts:
        raise InputError(f"{corpus.folder} has no tuned functions of train to learn from")
    texts = sorted(texts, key=lambda text: draw_order(text.function_id))[:functions]
    rows = [place[text.function_id] for text in texts]
    lists, ids = [str(p) for p in matrix.pass_lists], [text.function_id for text in texts]
    part = Matrix(ids, matrix.pass_lists, matrix.baseline[rows], matrix.counts[rows])
    gains = part.saved(-MOST).clip(-MOST, MOST)
    named = Matrix(ids, [matrix.pass_lists[i] for i in answers], part.baseline, part.counts[:, answers])
    shares, shown = _as_shown(gains[:, answers], canonical_columns(named), data)
    nowhere = np.zeros((len(texts), 0), dtype=np.float32)
    exemplars = exemplars_of([str(OZ), *(lists[i] for i in answers)], shares, shown, lists, gains, nowhere)
    groups = np.unique([group[text.function_id] for text in texts], return_inverse=True)[1]
    return Known(texts, groups, gains, exemplars)


def examples_of(package: Package, form: Form, known: Known, report: Report) -> Examples:
    """What the model says of the functions; no answer has a chance where its prompt leaves out some of the code."""

    def ask(text: Texts) -> tuple[Floats32, Floats32]:
        code = package.writer.view(text.unoptimised, text.after_oz)
        prompt = package.writer.prompt(form, code).tolist()
        found = {} if package.writer.leaves_out(form, code) else chances_of(package, prompt, int(form.shows_oz))
        chances = known.exemplars.chances(found)
        return chances, features_of(chances, form.codes(text.unoptimised, text.after_oz))

    chances, features = [], []
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # the runtime computes outside of Python's lock
        for of_text in threads.map(ask, known.texts):
            chances.append(of_text[0])
            features.append(of_text[1])
            report(f"asking the model ({form})", len(chances), len(known.texts))
    gains = known.gains.astype(np.float32)
    return Examples(np.array(features), np.array(chances), known.exemplars.shares, gains, known.groups)


def embedding_for(form: Form, examples: Examples, report: Report) -> Embedding:
    """With -Oz beside them, lists do no harm, and functions that nothing improves have nothing to say."""
    if form.shows_oz:
        better = np.flatnonzero(examples.saved.max(axis=1, initial=0) > 0)
        examples = examples.take(better if len(better) else np.arange(len(examples.saved)))
        examples = replace(examples, saved=examples.saved.clip(0))
    return train_embedding(examples, report=report)


def _as_shown(gains: Integers, labels: Integers, data: DataSection) -> tuple[Floats, Floats]:
    """What `draw_answers` and `PackStream` make of N functions and L lists on average.

    (N, 1 + L) how often each answer is shown with a function, -Oz first, and (N,) how much the function counts.
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


def _retrieval(form: Form, examples: Examples, exemplars: Exemplars, report: Report) -> Retrieval:
    embedding = embedding_for(form, examples, report)
    return Retrieval(embedding, replace(exemplars, points=embedding(examples.features)))


def _held_out(form: Form, examples: Examples, known: Known, report: Report) -> dict[float, Integers]:
    """At each of `PRICES`, (N,) what the lists that are named save."""
    chosen = [[str(OZ)] * len(PRICES)] * len(known.texts)
    for fold in range(FOLDS):
        inside = known.groups % FOLDS == fold
        outside = np.flatnonzero(~inside) if not inside.all() else np.arange(len(inside))
        part = replace(known.exemplars, shares=examples.shares[outside], saved=known.exemplars.saved[outside])
        near = _retrieval(form, examples.take(outside), part, report)
        for row in np.flatnonzero(inside):
            chances = dict(zip(near.exemplars.answers, examples.chances[row].tolist(), strict=True))
            weights = near.exemplars.posterior(chances, near.embedding(examples.features[row]))
            chosen[row] = near.exemplars.best_at(weights, PRICES)
    return {price: known.outcomes(lists) for price, lists in zip(PRICES, zip(*chosen, strict=True), strict=True)}
