"""The list to name unseen: by what it saves where each list is the best, not by being probably the best."""

import numpy as np
import pytest

from passformer.model.savings import Savings, read_savings, savings_of, write_savings

SAVINGS = Savings(("-Oz", "-a", "-b"), ("-a", "-b"), np.array([[-9, -1], [6, 2], [-3, 4]], dtype=np.float32))


def test_a_list_that_does_harm_elsewhere_is_not_named():
    assert SAVINGS.choose({"-a": 1.0}, 0) == "-a"
    assert SAVINGS.choose({"-a": 0.5, "-b": 0.3, "-Oz": 0.2}, 0) == "-b", "the safer one, though not the likeliest"
    assert SAVINGS.expected({"-a": 0.5, "-b": 0.3, "-Oz": 0.2}) == pytest.approx([0.3, 2.0])
    assert SAVINGS.choose({"-a": 0.5, "-b": 0.3, "-Oz": 0.2}, 2.5) == "-Oz"
    assert SAVINGS.choose({"-Oz": 0.9, "-b": 0.1}, 0) == "-Oz"
    assert SAVINGS.choose({"-unknown": 1.0}, 0) == "-Oz"


def test_savings_are_means_by_best_list(tmp_path):
    labels = np.array([-1, 0, 0, 1, 1])
    saved = np.array([[-2, -4], [3, 1], [5, 1], [0, 200], [-200, 4]])
    savings = savings_of(labels, saved, ["-a", "-b"], "-Oz")
    assert savings.labels == ("-Oz", "-a", "-b") and savings.lists == ("-a", "-b")
    assert savings.table.tolist() == [[-2, -4], [4, 1], [-25, 27]]
    write_savings(tmp_path / "s.npz", savings)
    again = read_savings(tmp_path / "s.npz")
    assert (again.labels, again.lists) == (savings.labels, savings.lists) and (again.table == savings.table).all()
    (tmp_path / "s.npz").write_bytes(b"PK damaged")
    with pytest.raises((ValueError, OSError)):
        read_savings(tmp_path / "s.npz")
