"""Caution is found on validation: no more functions than allowed get larger."""

import pytest

from passformer.autotune.tunings import read_tunings, to_matrix
from passformer.corpus.store import Corpus
from passformer.model.package import open_package
from passformer.train import caution
from passformer.train.caution import find_caution, saved, train_savings, validation_rows


@pytest.fixture(scope="module")
def matrix(labelled):
    return to_matrix(read_tunings([labelled / "tunings" / "default"]))


def test_savings_are_those_of_train(labelled, matrix):
    savings = train_savings(Corpus(labelled), matrix)
    assert savings.labels[0] == "-Oz" and set(savings.labels[1:]) <= set(savings.lists)
    for row, label in zip(savings.table[1:], savings.labels[1:], strict=True):
        assert row[savings.lists.index(label)] > 0, "the best list saves something"
    assert (savings.table[0] <= 0).all(), "where -Oz is the best, nothing does"


def test_the_limit_on_larger_functions_is_kept(labelled, package, matrix, monkeypatch):
    opened = open_package(package)
    rows = validation_rows(Corpus(labelled), 1000)
    place = {id_: i for i, id_ in enumerate(matrix.function_ids)}
    assert rows and all(row.function_id in place for row in rows)
    for most in (0.0, 1.0):
        monkeypatch.setattr(caution, "MOST_REGRESSED", most)
        chosen, figures = find_caution(opened, rows, matrix)
        assert figures["functions"] == len(rows) and figures["caution"] == chosen
        assert figures["regressed"] <= 100 * most
    assert saved(matrix).max() > 0
