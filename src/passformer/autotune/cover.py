"""Greedy cover: choose the pass lists that together save most, in order (the coreset's contents)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


def greedy_cover(baseline: Counts, counts: Counts, size: int) -> list[int]:
    """Columns of `counts` (functions, lists) in greedy order: each next one adds most gain, at most `size` of them.

    `baseline` (functions,) is the count under -Oz, which is always available as back-up, so a list's loss never counts.
    Ends early when no list adds anything, or there is none.
    """
    best = baseline.copy()
    chosen: list[int] = []
    while len(chosen) < size and counts.shape[1]:
        gains = np.maximum(best[:, None] - counts, 0).sum(axis=0)
        winner = int(gains.argmax())
        if gains[winner] == 0:
            break
        chosen.append(winner)
        best = np.minimum(best, counts[:, winner])
    return chosen


def cover_improvements(baseline: Counts, counts: Counts, order: Sequence[int]) -> list[float]:
    """Improvement in percent over -Oz after the first list of `order`, the first two, and so on, -Oz as back-up."""
    best = np.minimum.accumulate(np.column_stack([baseline, counts[:, list(order)]]), axis=1)
    total = baseline.sum()
    return [round(float(100 * (total - column.sum()) / total), 4) for column in best.T[1:]]
