"""Where functions stand: computed by hand, kept in a file, and told by an embedding that was trained."""

from dataclasses import replace

import numpy as np
import pytest

from passformer.dataset.opcodes import OPCODES
from passformer.dataset.prompt import Form
from passformer.model.embedding import Embedding, features_of
from passformer.model.exemplars import exemplars_of
from passformer.model.retrieval import Retrieval, read_retrieval, write_retrieval
from passformer.train.embedding import Examples, Settings, train_embedding

CODE = """define i32 @f(i32 %0) {
%2 = add i32 %0, 1
%3 = add i32 %2, 2
ret i32 %3
}
"""


def embedding_of(features, coordinates=1):
    """Adds up the features that are positive."""
    zeros, ones = np.zeros(features, np.float32), np.ones(features, np.float32)
    out = np.ones((features, coordinates), np.float32)
    return Embedding(zeros, ones, np.diag(ones), zeros, out, np.full(coordinates, 0.5, np.float32))


def test_features_are_logarithms_of_chances_and_counts():
    features = features_of(np.array([0.5, 0.0], np.float32), [CODE])
    assert features[:2] == pytest.approx(np.log([0.50001, 0.00001]), rel=1e-4)
    counts = dict(zip(("all", *OPCODES), np.expm1(features[2:]), strict=True))
    assert {name: round(n, 3) for name, n in counts.items() if n} == {"all": 3, "add": 2, "ret": 1}
    assert len(features_of(np.zeros(2, np.float32), [CODE, ""])) == 2 + 2 * (1 + len(OPCODES))


def test_an_embedding_by_hand():
    assert embedding_of(3)(np.array([1.0, -2.0, 3.0], np.float32)).tolist() == [4.5], "what is negative is cut off"
    assert embedding_of(3)(np.array([99.0, 0, 0], np.float32)).tolist() == [5.5], "what is far off is brought near"
    assert embedding_of(3, 2)(np.zeros((7, 3), np.float32)).shape == (7, 2)


@pytest.fixture
def retrieval():
    rng = np.random.default_rng(5)
    shares, saved = rng.dirichlet(np.ones(3), size=30), rng.integers(-9, 9, (30, 2))
    exemplars = exemplars_of(
        ["-Oz", "-a", "-b"], shares, np.ones(30), ["-a", "-b"], saved, np.zeros((30, 1), np.float32)
    )
    found = {}
    for form in (Form.BARE, Form.COMPACT):
        embedding = embedding_of(len(features_of(np.zeros(3, np.float32), form.codes("", ""))))
        points = rng.integers(0, 5, (30, 1)).astype(np.float32)
        found[form] = Retrieval(embedding, replace(exemplars, points=points))
    return found


def test_what_was_written_is_read_again(retrieval, tmp_path):
    write_retrieval(tmp_path / "n.npz", retrieval)
    again = read_retrieval(tmp_path / "n.npz")
    chances = {"-a": 0.6, "-b": 0.3, "-Oz": 0.1}
    for form, near in retrieval.items():
        codes = form.codes(CODE, "")
        assert again[form].exemplars.lists == ("-a", "-b")
        assert (again[form].posterior(chances, codes) == near.posterior(chances, codes)).all()
    assert (again[Form.BARE].exemplars.points != again[Form.COMPACT].exemplars.points).any()
    (tmp_path / "n.npz").write_bytes(b"PK damaged")
    with pytest.raises((ValueError, OSError)):
        read_retrieval(tmp_path / "n.npz")


def examples_of(number, seed):
    """Only the sign of the first of six features says which of two lists saves; groups are twos."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((number, 6)).astype(np.float32) * (1, 5, 5, 5, 5, 5)
    saved = np.where(features[:, :1] > 0, (9, -4), (-4, 9)).astype(np.float32)
    chances = np.full((number, 3), 1 / 3, np.float32)
    return Examples(features.astype(np.float32), chances, np.ones_like(chances), saved, np.arange(number) // 2)


def num_right(embedding, known, asked):
    """Functions asked about, for which the neighbours name a list that saves something."""
    even, saved = np.full(known.shares.shape, 1 / 3), known.saved.astype(np.int64)
    near = exemplars_of(["-Oz", "-a", "-b"], even, np.ones(len(saved)), ["-a", "-b"], saved, embedding(known.features))
    chances = dict.fromkeys(near.answers, 1 / 3)
    named = [near.best(near.posterior(chances, embedding(f)), 0.0) for f in asked.features]
    return sum(s[near.lists.index(n)] > 0 for s, n in zip(asked.saved, named, strict=True) if n != "-Oz")


def test_what_tells_savings_apart_is_learnt():
    known, asked = examples_of(400, 1), examples_of(100, 2)
    settings = Settings(hidden=32, coordinates=4, epochs=100, dropout=0)
    assert num_right(train_embedding(known, settings), known, asked) >= 90
    untrained = train_embedding(known, replace(settings, epochs=1, learning_rate=0))
    assert num_right(untrained, known, asked) < 80, "noise drowns the feature that counts"


def test_training_is_the_same_each_time_and_survives_a_single_group():
    known = examples_of(40, 3)
    first, second = (train_embedding(known, Settings(hidden=8, coordinates=2, epochs=3)) for _ in range(2))
    assert (first.out == second.out).all()
    alone = replace(known, groups=np.zeros(40, np.int64))
    assert np.isfinite(train_embedding(alone, Settings(hidden=8, coordinates=2, epochs=3)).out).all()


def test_functions_of_one_group_learn_nothing_from_each_other():
    """Each group has a list of its own, which its first feature names: only the second feature holds for others."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(60), 4)
    features = np.column_stack([groups * 1.0, rng.standard_normal(240)]).astype(np.float32)
    saved = np.zeros((240, 62), np.float32)
    saved[np.arange(240), groups] = 9
    saved[np.arange(240), 60 + (features[:, 1] > 0)] = 4
    chances = np.ones((240, 63), np.float32) / 63
    examples = Examples(features, chances, np.ones_like(chances), saved, groups)
    settings = Settings(hidden=16, coordinates=2, epochs=200, dropout=0)
    pull = {}
    for name, of in (("by groups", groups), ("each its own", np.arange(240))):
        points = train_embedding(replace(examples, groups=of), settings)(features)
        between = points.reshape(60, 4, 2).mean(axis=1).std(axis=0).sum()
        pull[name] = between / points.reshape(60, 4, 2).std(axis=1).mean(axis=0).sum()
    assert pull["by groups"] < pull["each its own"], "what only copies share is not worth knowing"
