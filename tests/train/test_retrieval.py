"""Functions of train become exemplars, as training showed them; no more functions than allowed get larger."""

from collections import Counter
from dataclasses import replace
from functools import partial

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
from passformer.model.exemplars import NEVER
from passformer.model.package import open_package
from passformer.train import retrieval as retrieval_module
from passformer.train.config import DataSection
from passformer.train.embedding import Examples
from passformer.train.price import FOLDS, PRICES, best_price
from passformer.train.retrieval import _held_out, known_functions, learn_retrieval, nameable
from passformer.train.stream import PackStream


@pytest.fixture(scope="module")
def matrix(labelled):
    return to_matrix(read_tunings([labelled / "tunings" / "default"]))


@pytest.fixture(scope="module")
def everything(matrix):
    """All lists can be named."""
    return list(range(len(matrix.pass_lists)))


@pytest.mark.parametrize("sharpness", [2.0, float("inf")])
def test_what_is_known_is_of_train(sharpness, labelled, dataset, matrix, everything):
    corpus, data = Corpus(labelled), DataSection(sharpness=sharpness, negatives=0.5)
    known = known_functions(corpus, matrix, everything, data, 1000)
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
    assert [t.function_id for t in known_functions(corpus, matrix, everything, data, 3).texts] == [
        t.function_id for t in known.texts[:3]
    ]


def test_a_corpus_that_was_not_tuned_is_refused(labelled, dataset, matrix):
    none = Matrix([], matrix.pass_lists, matrix.baseline[:0], matrix.counts[:0])
    with pytest.raises(InputError, match="no tuned functions"):
        known_functions(Corpus(labelled), none, [], DataSection(), 10)


def test_the_mean_of_what_training_shows_is_what_is_expected(dataset, labelled, matrix, everything):
    """The stream's own samples, counted, against the averages that the tables are made of."""
    data = DataSection(sharpness=1.5, negatives=0.4, gain_power=0.5, answers=4, ir_share=0, unoptimised_share=0)
    rows = list(read_tokens(dataset, "train"))
    tokenizer = load_tokenizer(dataset / "tokenizer.json")
    add_lists(tokenizer, matrix.pass_lists)
    stream = PackStream(rows, tokenizer, data, seed=0)
    weights: Counter[int] = Counter()
    for epoch in range(60):
        for sample in stream.samples(epoch):
            for start in np.cumsum(sample.parts)[:-1]:
                weights[int(sample.ids[start])] += float(sample.weights[start])
    known = known_functions(Corpus(labelled), matrix, everything, data, 1000)
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
        monkeypatch.setattr(retrieval_module, "best_price", partial(best_price, most_regressed=most))
        learnt = learn_retrieval(opened, corpus, matrix, data, 1000)
        assert learnt.figures["functions"] == len(set(corpus.ids(["train"])) & set(matrix.function_ids))
        assert learnt.figures["price"] == learnt.price and learnt.figures["regressed"] <= 100 * most
        for form, near in opened.retrieval.items():
            again = learnt.retrieval[form].exemplars
            assert again.points == pytest.approx(near.exemplars.points, abs=0.02), "the file holds half precision"
            assert (again.saved == near.exemplars.saved).all()
    assert matrix.saved(-50).max() > 0


def test_what_is_judged_was_not_learnt_from(labelled, dataset, matrix, everything, monkeypatch):
    known = known_functions(Corpus(labelled), matrix, everything, DataSection(), 1000)
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
    outcomes = _held_out(Form.BARE, examples, known, silent)
    assert tuple(outcomes) == PRICES and {len(saved) for saved in outcomes.values()} == {len(known.texts)}
    assert not outcomes[NEVER].any() and outcomes[0.0].any()
    assert learnt_from == [{g for g in known.groups.tolist() if g % FOLDS != fold} for fold in range(FOLDS)]


def test_lists_that_the_model_cannot_name_are_proposed_all_the_same(labelled, dataset, matrix, everything):
    """What is known of a further list is what it saves: it changes no chances, and is named where it is worth most."""
    further = PassList.parse("-Oz -adce -Os")
    assert further not in matrix.pass_lists
    counts = np.column_stack([matrix.counts, matrix.baseline - 2])
    more = Matrix(matrix.function_ids, [*matrix.pass_lists, further], matrix.baseline, counts)
    known = known_functions(Corpus(labelled), more, everything, DataSection(), 1000)
    alone = known_functions(Corpus(labelled), matrix, everything, DataSection(), 1000)
    assert known.exemplars.lists == (*alone.exemplars.lists, str(further))
    assert known.exemplars.answers == alone.exemplars.answers
    assert (known.exemplars.shares == alone.exemplars.shares).all()
    weights = known.exemplars.posterior({"-Oz": 1.0}, np.zeros(0, np.float32))
    assert known.exemplars.best(weights, 5.0) == str(further)
    assert known.outcomes([str(further)] * len(known.texts)).tolist() == [2] * len(known.texts)


def test_a_model_is_asked_about_what_it_can_name(package, matrix, everything):
    opened = open_package(package)
    assert not opened.grammar.writes_lists and nameable(opened, matrix) == everything
    grammar = replace(opened.grammar, passes={**opened.grammar.passes, 9999: matrix.pass_lists[2].names})
    assert grammar.writes_lists
    found = nameable(replace(opened, grammar=grammar), matrix)
    assert 2 in found and all(matrix.pass_lists[i].names in grammar.passes.values() for i in found)
    assert len(found) < len(everything)
