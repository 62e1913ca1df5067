"""Which lists to name: by what they save where each answer is right, not by being probably the best."""

import itertools

import numpy as np
import pytest

from passformer.model import exemplars as exemplars_module
from passformer.model.exemplars import Exemplars, exemplars_of, read_exemplars, write_exemplars

SIZE = 50


def exemplars_with(answer, saved, size=None, weight=None):
    """One exemplar a row of `saved`, of lists -a, -b, ..."""
    lists = tuple(f"-{name}" for name in "abcdef"[: len(saved[0])])
    number = len(answer)
    return Exemplars(
        ("-Oz", *lists),
        lists,
        np.array(answer, np.uint16),
        np.array(weight or [1] * number, np.float32),
        np.array(size or [SIZE] * number, np.int32),
        np.array(saved, np.float32),
    )


def best(exemplars, chances, size=SIZE):
    return exemplars.best(exemplars.posterior(chances, size))


def rank(exemplars, chances, size=SIZE):
    return list(exemplars.rank(exemplars.posterior(chances, size), chances))


def test_a_list_that_does_harm_elsewhere_is_not_named():
    exemplars = exemplars_with([0, 1, 2], [[-9, -1], [6, 2], [-3, 4]])
    assert best(exemplars, {"-a": 1.0}) == ("-a", 6)
    uncertain = {"-a": 0.5, "-b": 0.3, "-Oz": 0.2}
    assert best(exemplars, uncertain) == ("-b", pytest.approx(2)), "the safer one, though not the likeliest"
    assert best(exemplars, {"-Oz": 0.9, "-b": 0.1}) == ("-Oz", 0)
    assert best(exemplars, {"-unknown": 1.0}) == ("-Oz", 0)


def test_lists_to_try_are_good_together():
    """-a and -b are good on the same functions; -c is good where they are not."""
    exemplars = exemplars_with([1, 2, 3], [[9, 8, 0], [8, 9, 0], [-5, -5, 4]])
    assert rank(exemplars, {"-a": 0.5, "-b": 0.3, "-c": 0.2}) == ["-a", "-c", "-b"]
    assert rank(exemplars, {"-Oz": 1.0, "-x": 0.2, "-y": 0.3}) == ["-y", "-x"], "of what is unknown, the most probable"
    assert rank(exemplars, {"-c": 0.9, "-x": 0.1}) == ["-c", "-x"], "what adds nothing is not tried"


def test_lists_are_chosen_as_a_plain_greedy_choice_does():
    rng = np.random.default_rng(7)
    saved = rng.integers(-20, 20, (60, 6))
    exemplars = exemplars_with(rng.integers(0, 7, 60).tolist(), saved.tolist(), weight=rng.uniform(0.1, 3, 60).tolist())
    chances = dict(zip(exemplars.answers, rng.dirichlet(np.ones(7)).tolist(), strict=True))
    weights = exemplars.posterior(chances, SIZE)
    chosen: list[int] = []
    for _ in range(6):
        value = [weights @ saved[:, [*chosen, i]].max(axis=1).clip(0) for i in range(6)]
        if max(value) <= (weights @ saved[:, chosen].max(axis=1, initial=0).clip(0)) + 1e-12:
            break
        chosen.append(int(np.argmax(value)))
    assert len(chosen) > 3
    assert list(exemplars.rank(weights, chances))[: len(chosen)] == [exemplars.lists[i] for i in chosen]
    pairs = [weights @ saved[:, pair].max(axis=1).clip(0) for pair in itertools.combinations(range(6), 2)]
    assert weights @ saved[:, chosen[:2]].max(axis=1).clip(0) >= (1 - 1 / np.e) * max(pairs)


def test_functions_of_about_the_same_size_say_more():
    exemplars = exemplars_with([1, 1], [[2, 5], [40, -9]], size=[20, 2000])
    assert best(exemplars, {"-a": 1.0}, 20)[0] == "-b" and best(exemplars, {"-a": 1.0}, 2000)[0] == "-a"
    assert best(exemplars, {"-a": 1.0}, 10**9) == ("-a", pytest.approx(40)), "far from all, the nearest"
    assert exemplars.posterior({"-a": 1.0}, 200).sum() == pytest.approx(1)


@pytest.mark.parametrize("trust", [1.0, 1.5])
def test_what_is_shown_seldom_is_weighed_back(trust):
    """By Bayes: whatever the shares and weights in training, the mean over functions that look the same comes out."""
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.ones(4), size=50)
    shown, saved = rng.uniform(0.1, 5, 50), rng.integers(-9, 9, (50, 3))
    exemplars = exemplars_of(shares, shown, saved, np.full(50, SIZE), ["-a", "-b", "-c"], "-Oz", trust)
    assert exemplars.answers == ("-Oz", "-a", "-b", "-c") and exemplars.lists == ("-a", "-b", "-c")
    seen = shares.T @ shown  # what a model learns that cannot tell these functions apart
    chances = dict(zip(exemplars.answers, (seen / seen.sum()).tolist(), strict=True))
    assert exemplars.posterior(chances, SIZE) @ exemplars.saved == pytest.approx(saved.mean(axis=0), abs=1e-4)


def test_a_model_that_is_trusted_more_decides_more():
    rng = np.random.default_rng(4)
    shares, shown = rng.dirichlet(np.ones(3), size=50), rng.uniform(0.1, 5, 50)
    seen = shares.T @ shown
    surer = seen * (1, 3, 1) / (seen * (1, 3, 1)).sum()
    said = {}
    for trust in (0.5, 1.0, 2.0):
        found = exemplars_of(shares, shown, np.zeros((50, 2), int), np.full(50, SIZE), ["-a", "-b"], "-Oz", trust)
        weights = found.posterior(dict(zip(found.answers, surer.tolist(), strict=True)), SIZE)
        said[trust] = weights[found.answer == 1].sum()
    assert said[0.5] < said[1.0] < said[2.0]


def test_few_exemplars_stand_for_many(monkeypatch, tmp_path):
    rng = np.random.default_rng(5)
    shares = rng.dirichlet(np.ones(3), size=3000)
    sizes = rng.integers(1, 200, 3000)
    saved = np.stack([sizes // 10, np.full(3000, 200)], axis=1)
    monkeypatch.setattr(exemplars_module, "PER_ANSWER", 100)
    exemplars = exemplars_of(shares, np.ones(3000), saved, sizes, ["-a", "-b"], "-Oz", 1.0)
    assert len(exemplars.answer) == 300 and exemplars.saved.max() == exemplars_module.MOST
    for answer in range(3):
        of_answer = exemplars.answer == answer
        wanted = (shares[:, answer] @ saved[:, 0]) / shares[:, answer].sum()
        assert exemplars.saved[of_answer, 0].mean() == pytest.approx(wanted, rel=0.02)
        assert exemplars.weight[of_answer].sum() == pytest.approx(1, rel=1e-5)
    write_exemplars(tmp_path / "s.npz", exemplars)
    again = read_exemplars(tmp_path / "s.npz")
    assert (again.answers, again.lists) == (exemplars.answers, exemplars.lists)
    for name in ("answer", "weight", "size", "saved"):
        assert (getattr(again, name) == getattr(exemplars, name)).all()
    (tmp_path / "s.npz").write_bytes(b"PK damaged")
    with pytest.raises((ValueError, OSError)):
        read_exemplars(tmp_path / "s.npz")
