"""Greedy cover against a plain reading of its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from passformer.autotune.cover import cover_improvements, greedy_cover

SHAPES = st.tuples(st.integers(1, 6), st.integers(0, 5))
COUNTS = st.integers(1, 50)


@st.composite
def problems(draw):
    functions, lists = draw(SHAPES)
    return draw(arrays(np.int64, functions, elements=COUNTS)), draw(
        arrays(np.int64, (functions, lists), elements=COUNTS)
    )


def total(baseline, counts, chosen) -> int:
    return sum(min([b, *(row[c] for c in chosen)]) for b, row in zip(baseline.tolist(), counts.tolist(), strict=True))


@given(problems(), st.integers(0, 6))
def test_each_next_list_adds_most(problem, size):
    baseline, counts = problem
    before = baseline.copy(), counts.copy()
    chosen = greedy_cover(baseline, counts, size)
    assert len(chosen) == len(set(chosen)) <= size
    for i, winner in enumerate(chosen):
        reached = {c: total(baseline, counts, [*chosen[:i], c]) for c in range(counts.shape[1])}
        assert reached[winner] == min(reached.values()) < total(baseline, counts, chosen[:i])
    if len(chosen) < size:
        assert total(baseline, counts, range(counts.shape[1])) == total(baseline, counts, chosen), "it ended too early"
    assert (baseline == before[0]).all() and (counts == before[1]).all(), "the input is left alone"


@given(problems())
def test_improvements_are_shares_of_the_sum_with_oz_as_back_up(problem):
    baseline, counts = problem
    order = list(range(counts.shape[1]))
    improvements = cover_improvements(baseline, counts, order)
    expected = [100 * (1 - total(baseline, counts, order[: i + 1]) / int(baseline.sum())) for i in order]
    assert improvements == pytest.approx(expected, abs=1e-3)
    assert improvements == sorted(improvements) and min(improvements, default=0) >= 0


def test_an_example():
    baseline = np.array([100, 10, 10])
    counts = np.array([[95, 100, 99], [10, 7, 999], [10, 7, 999]])
    assert greedy_cover(baseline, counts, 3) == [1, 0]
    assert cover_improvements(baseline, counts, [1, 0]) == [5.0, 9.1667]
