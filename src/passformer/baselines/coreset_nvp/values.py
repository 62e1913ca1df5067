"""What the network learns, and what its ranking is good for.

Taken from the publication: the value of a list for a program is how small it gets relative to -Oz; the values of one
program are normalised by a softmax at temperature 0.002 over all lists (so what is within some thousandths of the best
counts as good, and what is far behind does not count at all), and the network is trained by cross-entropy against
that; lists are tried in the order of the network's values until 45 passes have run.

Decided here: the value is instructions under -Oz / instructions under the list (larger is better). The publication
takes the smallest state on the way through a list; tunings hold what whole lists give, so that is what counts, and
every list counts as a whole. -Oz itself is ranked among the lists, value 1: without a budget an answer must be able to
be that nothing beats it. A flag like -Oz inside a list is one pass, as it is one entry of the catalog.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from passformer.autotune.cover import Counts
from passformer.autotune.tunings import LOST
from passformer.llvm.passlist import OZ, PassList

TEMPERATURE = 0.002
NUM_PASSES = 45
"""That lists which are tried hold together, the last one counted whole."""

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Truth:
    """F functions and what is known about them; the first list is -Oz."""

    function_ids: tuple[str, ...]
    pass_lists: tuple[PassList, ...]
    """The candidates."""
    counts: Counts
    """(F, lists); `LOST` where LLVM did not survive the list."""
    best: Counts
    """(F,): under the best list known, a candidate or not."""


def targets(counts: Counts, temperature: float = TEMPERATURE) -> Values:
    """(F, lists) -> (F, lists): normalised values, which sum to 1; the first column of `counts` is -Oz."""
    values = np.where(counts == LOST, 0.0, counts[:, :1] / counts)
    scaled = np.exp((values - values.max(axis=1, keepdims=True)) / temperature)
    normalised: Values = (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised


def ranked(pass_lists: Sequence[PassList], predicted: npt.NDArray[np.float32]) -> list[list[PassList]]:
    """(F, lists) -> for each function all lists, that of the highest value first."""
    return [[pass_lists[i] for i in row] for row in np.argsort(-predicted, axis=1, kind="stable")]


def within_passes(pass_lists: Iterable[PassList]) -> list[PassList]:
    """The first lists, until they hold `NUM_PASSES` passes; -Oz is tried anyway and does not count."""
    chosen: list[PassList] = []
    for pass_list in pass_lists:
        if sum(map(len, chosen)) >= NUM_PASSES:
            break
        if pass_list != OZ:
            chosen.append(pass_list)
    return chosen


def judge(truth: Truth, predicted: npt.NDArray[np.float32]) -> dict[str, float]:
    """What the ranking would have given, in percent.

    `improvement` over -Oz with the lists of 45 passes and -Oz as back-up, `capture` (its share of the best known), and
    `one_shot`, the improvement by the first list alone, unseen; -Oz where LLVM does not survive it.
    """
    column = {pass_list: i for i, pass_list in enumerate(truth.pass_lists)}
    baseline = truth.counts[:, 0]
    lists = ranked(truth.pass_lists, predicted)
    tried = [min(row[column[p]] for p in (OZ, *within_passes(r))) for row, r in zip(truth.counts, lists, strict=True)]
    first = np.array([row[column[r[0]]] for row, r in zip(truth.counts, lists, strict=True)])
    saved, available = (baseline - np.array(tried)).sum(), (baseline - truth.best).sum()
    total = baseline.sum()
    return {
        "improvement": round(100 * float(saved / total), 4),
        "capture": round(100 * float(saved / available), 2) if available else 0.0,
        "one_shot": round(100 * float((baseline - np.where(first == LOST, baseline, first)).sum() / total), 4),
    }
