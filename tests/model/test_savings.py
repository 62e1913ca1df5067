"""The list to name unseen: by what it saves where each answer is right, not by being probably the best."""

import numpy as np
import pytest

from passformer.model.savings import Savings, read_savings, savings_of, write_savings

TABLE = np.array([[-9, -1], [6, 2], [-3, 4]], dtype=np.float32)
SAVINGS = Savings(("-Oz", "-a", "-b"), ("-a", "-b"), TABLE, np.ones(3, np.float32))


def test_a_list_that_does_harm_elsewhere_is_not_named():
    assert SAVINGS.best({"-a": 1.0}) == ("-a", 6)
    uncertain = {"-a": 0.5, "-b": 0.3, "-Oz": 0.2}
    assert SAVINGS.expected(uncertain) == pytest.approx([0.3, 2.0])
    assert SAVINGS.best(uncertain) == ("-b", pytest.approx(2)), "the safer one, though not the likeliest"
    assert SAVINGS.best({"-Oz": 0.9, "-b": 0.1}) == ("-Oz", 0)
    assert SAVINGS.best({"-unknown": 1.0}) == ("-Oz", 0)


def test_what_is_shown_seldom_is_weighed_back():
    """By Bayes: whatever the shares and weights in training, the mean over functions that look the same comes out."""
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.ones(4), size=50)
    shown, saved = rng.uniform(0.1, 5, 50), rng.integers(-9, 9, (50, 3))
    savings = savings_of(shares, shown, saved, ["-a", "-b", "-c"], "-Oz")
    assert savings.answers == ("-Oz", "-a", "-b", "-c") and savings.lists == ("-a", "-b", "-c")
    seen = shares.T @ shown  # what a model learns that cannot tell these functions apart
    chances = dict(zip(savings.answers, (seen / seen.sum()).tolist(), strict=True))
    assert savings.expected(chances) == pytest.approx(saved.mean(axis=0), abs=1e-4)


def test_savings_are_means_by_answer(tmp_path):
    shares = np.array([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    saved = np.array([[-2, -4], [3, 1], [5, 1], [0, 200], [-200, 4]])
    savings = savings_of(shares, np.array([0.5, 1, 1, 1, 1]), saved, ["-a", "-b"], "-Oz")
    assert savings.saved.tolist() == [[-4, -8], [4, 1], [-25, 27]], "per time that the answer was shown"
    assert savings.functions.tolist() == [2, 1, 1]
    write_savings(tmp_path / "s.npz", savings)
    again = read_savings(tmp_path / "s.npz")
    assert (again.answers, again.lists) == (savings.answers, savings.lists)
    assert (again.saved == savings.saved).all() and (again.functions == savings.functions).all()
    (tmp_path / "s.npz").write_bytes(b"PK damaged")
    with pytest.raises((ValueError, OSError)):
        read_savings(tmp_path / "s.npz")
