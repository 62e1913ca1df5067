"""Targets, order of trial and judgement, on numbers worked out by hand."""

import numpy as np
import pytest

from passformer.autotune.tunings import LOST
from passformer.baselines.coreset_nvp.values import Truth, judge, ranked, targets, within_passes
from passformer.llvm.passlist import OZ, PassList

SHORT, LONG, OTHER = (PassList.parse(text) for text in ("-sroa -Oz", "-gvn " * 40 + "-adce -licm -dse", "-sink -dse"))


def test_values_are_relative_to_oz_and_normalised():
    values = targets(np.array([[100, 50, 200], [10, 10, LOST], [1000, 999, 1001]]), temperature=0.5)
    weights = np.exp(np.array([1.0, 2.0, 0.5]) / 0.5)
    assert values[0] == pytest.approx(weights / weights.sum(), rel=1e-5)
    assert values[1, :2] == pytest.approx(1 / (2 + np.exp(-2)), rel=1e-5), "equal results are equally good"
    assert values[1, 2] < values[1, 1] and values.sum(axis=1) == pytest.approx(1, rel=1e-5)
    sharp = targets(np.array([[1000, 999, 1001]]))[0]  # a thousandth is half the published temperature
    assert sharp[1] / sharp[0] == pytest.approx(np.exp(0.5), rel=1e-2)


def test_a_large_gain_does_not_overflow():
    assert targets(np.array([[5000, 1]])).tolist() == [[0.0, 1.0]]


def test_the_order_is_that_of_predicted_values():
    assert ranked([OZ, SHORT, LONG], np.array([[0.1, 3, -1], [0, 0, 1]], np.float32)) == [
        [SHORT, OZ, LONG],
        [LONG, OZ, SHORT],
    ]


def test_lists_are_tried_until_they_hold_45_passes():
    assert (len(SHORT), len(LONG), len(OTHER)) == (2, 43, 2)
    assert within_passes([SHORT, LONG, OTHER]) == [SHORT, LONG], "45 are enough"
    assert within_passes([LONG, OZ, SHORT, OTHER]) == [LONG, SHORT]
    assert within_passes([OTHER, OZ, SHORT]) == [OTHER, SHORT]
    just_below = PassList(LONG.names[:42])
    assert within_passes([just_below, OTHER, SHORT]) == [just_below, OTHER, SHORT], "44 are not"


def test_judgement():
    truth = Truth(
        ("f", "g"), (OZ, SHORT, LONG, OTHER), np.array([[100, 90, 80, 70], [50, 60, LOST, 50]]), np.array([60, 50])
    )
    predicted = np.array([[0, 3, 2, 1], [1, 2, 3, 0]], np.float32)
    # First function: SHORT and LONG fill 45 passes, 80. Second: LONG is lost, SHORT is larger, so 50 of -Oz.
    assert judge(truth, predicted) == {"improvement": 13.3333, "capture": 50.0, "one_shot": 6.6667}
    assert judge(truth, -predicted)["one_shot"] == 0.0, "-Oz and OTHER change nothing"
    nothing = Truth(("f",), (OZ, SHORT), np.array([[10, 10]]), np.array([10]))
    assert judge(nothing, np.zeros((1, 2), np.float32))["capture"] == 0.0
