"""Caution is found on validation: no more functions than allowed get larger."""

from collections import Counter

import numpy as np
import pytest

from passformer.autotune.tunings import read_tunings, to_matrix
from passformer.corpus.store import Corpus
from passformer.dataset.tokenizer import add_lists, encode_list, load_tokenizer
from passformer.dataset.tokens import read_tokens
from passformer.llvm.passlist import PassList
from passformer.model import exemplars as exemplars_module
from passformer.model.package import open_package
from passformer.train import caution as caution_module
from passformer.train.caution import _threshold, find_caution, train_exemplars, validation_rows
from passformer.train.config import DataSection
from passformer.train.stream import PackStream


@pytest.fixture(scope="module")
def matrix(labelled):
    return to_matrix(read_tunings([labelled / "tunings" / "default"]))


@pytest.mark.parametrize("sharpness", [2.0, float("inf")])
def test_savings_are_those_of_train(sharpness, labelled, matrix):
    exemplars = train_exemplars(Corpus(labelled), matrix, DataSection(sharpness=sharpness, negatives=0.5))
    assert exemplars.answers == ("-Oz", *exemplars.lists)
    for answer, row in zip(exemplars.answer.tolist(), exemplars.saved, strict=True):
        assert answer == 0 or row[answer - 1] > 0, "where a list was shown it saved something"
    of_oz = exemplars.answer == 0
    assert exemplars.weight[of_oz].sum() > 1, "few of those were shown"
    if np.isinf(sharpness):
        assert (exemplars.saved[of_oz] <= 0).all(), "where -Oz is the best, nothing saves"
    columns = Corpus(labelled).columns(["split", "instructions"]).to_pydict()
    train = {n for split, n in zip(columns["split"], columns["instructions"], strict=True) if split == "train"}
    assert set(exemplars.size.tolist()) <= train


def test_the_mean_of_what_training_shows_is_what_is_expected(dataset, labelled, matrix, monkeypatch):
    """The stream's own samples, counted, against the averages that the tables are made of."""
    data = DataSection(sharpness=1.5, negatives=0.4, gain_power=0.5, answers=4, ir_share=0, unoptimised_share=0)
    rows = list(read_tokens(dataset, "train"))
    tokenizer = load_tokenizer(dataset / "tokenizer.json")
    add_lists(tokenizer, matrix.pass_lists)
    stream = PackStream(rows, tokenizer, data, seed=0)
    weights: Counter[int] = Counter()
    for epoch in range(60):
        for sample in stream._samples(epoch):
            for start in np.cumsum(sample.parts)[:-1]:
                weights[int(sample.ids[start])] += float(sample.weights[start])
    exemplars = train_exemplars(Corpus(labelled), matrix, data)
    tokens = {answer: encode_list(tokenizer, PassList.parse(answer))[0] for answer in exemplars.answers}
    chances = {answer: weights[token] / sum(weights.values()) for answer, token in tokens.items()}
    ids = {row.function_id for row in rows}
    known = [i for i, id_ in enumerate(matrix.function_ids) if id_ in ids]
    mean = matrix.saved(-50)[known].clip(-50, 50).mean(axis=0)
    monkeypatch.setattr(exemplars_module, "_SPREAD", 1e9)  # of all sizes
    assert exemplars.posterior(chances, 1) @ exemplars.saved == pytest.approx(mean, abs=0.15 * np.abs(mean).max())


def test_the_limit_on_larger_functions_is_kept(labelled, package, matrix, monkeypatch):
    opened = open_package(package)
    rows = validation_rows(Corpus(labelled), 1000)
    place = {id_: i for i, id_ in enumerate(matrix.function_ids)}
    assert rows and all(row.function_id in place for row in rows)
    for most in (0.0, 1.0):
        monkeypatch.setattr(caution_module, "MOST_REGRESSED", most)
        chosen, figures = find_caution(opened, rows, matrix)
        assert figures["functions"] == len(rows) and figures["caution"] == chosen
        assert figures["regressed"] <= 100 * most
    assert matrix.saved(-50).max() > 0


def test_the_threshold_stops_before_too_much_harm(monkeypatch):
    expected, outcomes = np.array([0.0, 5, 4, 3, 2, 1, 1]), np.array([0, 9, -1, 7, -1, 8, 2])
    for most, caution in ((0.0, 4.0), (0.15, 2.0), (0.3, 0.0)):
        monkeypatch.setattr(caution_module, "MOST_REGRESSED", most)
        assert _threshold(expected, outcomes) == caution
    assert _threshold(expected, -outcomes.clip(0)) == 5, "nothing at all, where all does harm"
    assert _threshold(np.zeros(0), np.zeros(0, dtype=np.int64)) == 0
