"""Which lists to name: by what they save where each answer is right, not by being probably the best."""

import numpy as np
import pytest

from passformer.model.exemplars import MOST, NEVER, Exemplars, exemplars_of, size_points

SIZE = 50


def exemplars_with(answer, saved, size=None, weight=None):
    """One exemplar a row of `saved`, of lists -a, -b, ...; each has one answer, and stands where its size says."""
    lists = tuple(f"-{name}" for name in "abcdefghijklmn"[: len(saved[0])])
    shares = np.eye(1 + len(lists))[answer] * np.array(weight or [1] * len(answer))[:, None]
    points = size_points(np.array(size or [SIZE] * len(answer)))
    return Exemplars(("-Oz", *lists), lists, shares.astype(np.float32), points, np.array(saved, np.float32))


def posterior(exemplars, chances, size=SIZE):
    return exemplars.posterior(chances, size_points(np.array([size]))[0])


def best(exemplars, chances, size=SIZE, price=0.0):
    return exemplars.best(posterior(exemplars, chances, size), price)


def rank(exemplars, chances, size=SIZE):
    return list(exemplars.rank(posterior(exemplars, chances, size), chances))


def test_a_list_that_does_harm_elsewhere_is_not_named():
    exemplars = exemplars_with([0, 1, 2], [[-9, -1], [6, 2], [-3, 4]])
    assert best(exemplars, {"-a": 1.0}) == "-a"
    uncertain = {"-a": 0.5, "-b": 0.3, "-Oz": 0.2}
    assert best(exemplars, uncertain) == "-b", "the safer one, though not the likeliest"
    assert best(exemplars, {"-Oz": 0.9, "-b": 0.1}) == "-Oz"
    assert best(exemplars, {"-unknown": 1.0}) == "-Oz"


def test_a_list_that_may_make_the_function_larger_is_named_if_it_is_worth_the_price():
    exemplars = exemplars_with([1, 1], [[9, 1], [-2, 1]])
    saved, risk = exemplars.prospects(posterior(exemplars, {"-a": 1.0}))
    assert saved == pytest.approx([3.5, 1]) and risk == pytest.approx([0.5, 0])
    assert [best(exemplars, {"-a": 1.0}, price=price) for price in (0, 4.9, 5.1, NEVER)] == ["-a", "-a", "-b", "-Oz"]


def test_lists_to_try_are_good_together():
    """-a and -b are good on the same functions; -c is good where they are not."""
    exemplars = exemplars_with([1, 2, 3], [[9, 8, 0], [8, 9, 0], [-5, -5, 4]])
    assert rank(exemplars, {"-a": 0.5, "-b": 0.3, "-c": 0.2}) == ["-a", "-c", "-b"]
    assert rank(exemplars, {"-Oz": 1.0, "-x": 0.2, "-y": 0.3}) == ["-y", "-x"], "of what is unknown, the most probable"
    assert rank(exemplars, {"-c": 0.9, "-x": 0.1}) == ["-c", "-x"], "what adds nothing is not tried"


def test_lists_are_chosen_as_a_plain_greedy_choice_does():
    rng = np.random.default_rng(7)
    saved = rng.integers(-20, 20, (60, 14))
    answers = rng.integers(0, 15, 60)
    exemplars = exemplars_with(answers.tolist(), saved.tolist(), weight=rng.uniform(0.1, 3, 60).tolist())
    chances = dict(zip(exemplars.answers, rng.dirichlet(np.ones(15)).tolist(), strict=True))
    weights = posterior(exemplars, chances)
    chosen: list[int] = []
    for number in range(14):
        counted = saved.clip(0) ** (0.25 if number < 8 else 1.0)  # first whether at all, then how much
        value = [weights @ counted[:, [*chosen, i]].max(axis=1) for i in range(14)]
        if max(value) <= (weights @ counted[:, chosen].max(axis=1, initial=0)) + 1e-6:
            break
        chosen.append(int(np.argmax(value)))
    assert len(chosen) > 9
    assert list(exemplars.rank(weights, chances))[: len(chosen)] == [exemplars.lists[i] for i in chosen]


def test_a_rare_large_saving_does_not_decide_what_is_tried_first():
    exemplars = exemplars_with([0] * 10, [[20, 0]] + [[0, 2]] * 9)
    chances = dict.fromkeys(exemplars.answers, 0.3)
    weights = posterior(exemplars, chances)
    assert weights @ exemplars.saved[:, 0] > weights @ exemplars.saved[:, 1], "in instructions it would"
    assert next(exemplars.rank(weights, chances)) == exemplars.lists[1]


def test_functions_of_about_the_same_size_say_more():
    exemplars = exemplars_with([1, 1], [[2, 5], [40, -9]], size=[20, 2000])
    assert best(exemplars, {"-a": 1.0}, 20) == "-b" and best(exemplars, {"-a": 1.0}, 2000) == "-a"
    assert best(exemplars, {"-a": 1.0}, 10**9) == "-a", "far from all, the nearest"
    assert posterior(exemplars, {"-a": 1.0}, 200).sum() == pytest.approx(1)


def test_nearness_falls_with_the_square_of_the_distance():
    exemplars = exemplars_with([1, 1, 2], [[1, 1]] * 3)
    points = np.array([[0, 0], [1, 0], [0, 2]], np.float32)
    exemplars = Exemplars(exemplars.answers, exemplars.lists, exemplars.shares, points, exemplars.saved)
    weights = exemplars.posterior({"-a": 0.5, "-b": 0.25}, np.array([0, 1], np.float32))
    expected = np.array([0.5 * np.exp(-1), 0.5 * np.exp(-2), 0.25 * np.exp(-1)])
    assert weights == pytest.approx(expected / expected.sum(), rel=1e-5)


def test_what_is_shown_seldom_is_weighed_back():
    """By Bayes: whatever the shares and weights in training, the mean over functions that look the same comes out."""
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.ones(4), size=50)
    shown, saved = rng.uniform(0.1, 5, 50), rng.integers(-9, 9, (50, 3))
    exemplars = exemplars_of(
        ["-Oz", "-a", "-b", "-c"], shares, shown, ["-a", "-b", "-c"], saved, np.zeros((50, 1), np.float32)
    )
    assert exemplars.answers == ("-Oz", "-a", "-b", "-c") and exemplars.lists == ("-a", "-b", "-c")
    seen = shares.T @ shown  # what a model learns that cannot tell these functions apart
    chances = dict(zip(exemplars.answers, (seen / seen.sum()).tolist(), strict=True))
    weights = exemplars.posterior(chances, np.zeros(1, np.float32))
    assert weights @ exemplars.saved == pytest.approx(saved.mean(axis=0), abs=1e-4)


def test_one_function_cannot_decide_for_all():
    saved = np.array([[10 * MOST, -10 * MOST]])
    exemplars = exemplars_of(
        ["", "-a", "-b"], np.array([[0.0, 1, 0]]), np.ones(1), ["-a", "-b"], saved, np.zeros((1, 1), np.float32)
    )
    assert exemplars.saved.tolist() == [[MOST, -MOST]]
    assert np.isfinite(exemplars.shares).all(), "an answer that is never shown"
