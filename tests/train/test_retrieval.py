"""Functions of train become exemplars, as training showed them; no more functions than allowed get larger."""

from collections import Counter

import numpy as np
import pytest

from passformer.autotune.tunings import Matrix, read_tunings, to_matrix
from passformer.corpus.store import Corpus
from passformer.dataset.prompt import Form
from passformer.dataset.tokenizer import add_lists, encode_list, load_tokenizer
from passformer.dataset.tokens import read_tokens
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList
from passformer.llvm.progress import silent
from passformer.model.package import open_package
from passformer.train import retrieval as retrieval_module
from passformer.train.config import DataSection
from passformer.train.embedding import Examples
from passformer.train.retrieval import FOLDS, _held_out, known_functions, learn_retrieval, threshold
from passformer.train.stream import PackStream


@pytest.fixture(scope="module")
def matrix(labelled):
    return to_matrix(read_tunings([labelled / "tunings" / "default"]))


@pytest.mark.parametrize("sharpness", [2.0, float("inf")])
def test_what_is_known_is_of_train(sharpness, labelled, dataset, matrix):
    corpus, data = Corpus(labelled), DataSection(sharpness=sharpness, negatives=0.5)
    known = known_functions(corpus, matrix, data, 1000)
    exemplars = known.exemplars
    assert exemplars.answers == ("-Oz", *exemplars.lists)
    assert sorted(text.function_id for text in known.texts) == sorted(
        set(corpus.ids(["train"])) & set(matrix.function_ids)
    )
    row, answer = np.nonzero(exemplars.shares)
    assert (exemplars.saved[row, answer - 1][answer > 0] > 0).all(), "where a list was shown it saved something"
    if np.isinf(sharpness):
        assert (exemplars.saved[row][answer == 0] <= 0).all(), "where -Oz is the best, nothing saves"
        assert len(row) == len(known.texts)
    group = dict(zip(*(corpus.columns(["id", "group"])[name].to_pylist() for name in ("id", "group")), strict=True))
    pairs = {(group[text.function_id], number) for text, number in zip(known.texts, known.groups, strict=True)}
    assert len(pairs) == len(set(known.groups)) == len({name for name, _ in pairs})
    assert [t.function_id for t in known_functions(corpus, matrix, data, 3).texts] == [
        t.function_id for t in known.texts[:3]
    ]


def test_a_corpus_that_was_not_tuned_is_refused(labelled, dataset, matrix):
    none = Matrix([], matrix.pass_lists, matrix.baseline[:0], matrix.counts[:0])
    with pytest.raises(InputError, match="no tuned functions"):
        known_functions(Corpus(labelled), none, DataSection(), 10)


def test_the_mean_of_what_training_shows_is_what_is_expected(dataset, labelled, matrix):
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
    known = known_functions(Corpus(labelled), matrix, data, 1000)
    exemplars = known.exemplars
    tokens = {answer: encode_list(tokenizer, PassList.parse(answer))[0] for answer in exemplars.answers}
    chances = {answer: weights[token] / sum(weights.values()) for answer, token in tokens.items()}
    mean = known.gains.mean(axis=0)
    expected = exemplars.posterior(chances, np.zeros(0, np.float32)) @ exemplars.saved
    assert expected == pytest.approx(mean, abs=0.15 * np.abs(mean).max())


def test_the_limit_on_larger_functions_is_kept(labelled, package, matrix, monkeypatch):
    opened, corpus = open_package(package), Corpus(labelled)
    data = DataSection.model_validate(opened.facts.recipe["config"]["data"])
    for most in (0.0, 1.0):
        monkeypatch.setattr(retrieval_module, "MOST_REGRESSED", most)
        learnt = learn_retrieval(opened, corpus, matrix, data, 1000)
        assert learnt.figures["functions"] == len(known_functions(corpus, matrix, data, 1000).texts)
        assert learnt.figures["caution"] == learnt.caution and learnt.figures["regressed"] <= 100 * most
        for form, near in opened.retrieval.items():
            again = learnt.retrieval[form].exemplars
            assert again.points == pytest.approx(near.exemplars.points, abs=0.02), "the file holds half precision"
            assert (again.saved == near.exemplars.saved).all()
    assert matrix.saved(-50).max() > 0


def test_what_is_judged_was_not_learnt_from(labelled, dataset, matrix, monkeypatch):
    known = known_functions(Corpus(labelled), matrix, DataSection(), 1000)
    examples = Examples(
        np.zeros((len(known.texts), 2), np.float32),
        np.full(known.exemplars.shares.shape, 0.1, np.float32),
        known.exemplars.shares,
        known.gains.astype(np.float32),
        known.groups,
    )
    learn, learnt_from = retrieval_module._retrieval, []

    def spy(form, part, exemplars, report):
        learnt_from.append(set(part.groups.tolist()))
        return learn(form, part, exemplars, report)

    monkeypatch.setattr(retrieval_module, "_retrieval", spy)
    expected, outcomes = _held_out(Form.BARE, examples, known, silent)
    assert len(expected) == len(outcomes) == len(known.texts)
    assert learnt_from == [{g for g in known.groups.tolist() if g % FOLDS != fold} for fold in range(FOLDS)]


def test_the_threshold_stops_before_too_much_harm(monkeypatch):
    expected, outcomes = np.array([0.0, 5, 4, 3, 2, 1, 1]), np.array([0, 9, -1, 7, -1, 8, 2])
    for most, caution in ((0.0, 4.0), (0.15, 2.0), (0.3, 0.0)):
        monkeypatch.setattr(retrieval_module, "MOST_REGRESSED", most)
        assert threshold(expected, outcomes) == caution
    assert threshold(expected, -outcomes.clip(0)) == 5, "nothing at all, where all does harm"
    assert threshold(np.zeros(0), np.zeros(0, dtype=np.int64)) == 0
