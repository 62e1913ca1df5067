"""What lists save by what is known of a function: a model's probabilities, and how alike functions are.

A model says how probable each answer is. What lists saved where another answer was right is known from the functions
that it was trained on. Together they tell which single list to name when nothing will be verified, and whether to name
any (a list that is probably good may do much harm where it is not), and which K lists to try when the best of them
will be taken: the K most probable ones are often good on the same functions.

Training functions stand for what may be asked: the exemplars. For one prompt they are weighed by how probable their
answers are, and by how near they stand to it: in size, or in a space that is learnt (see `passformer.model.embedding`).
A model is not shown functions as often as they occur: few of those on which nothing beats -Oz, and large gains count
more (see `DataSection`). Its probabilities are of what it is shown, and are weighed back here.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
MOST = 20
"""Savings and losses beyond count as so many: few functions would decide all."""
NEVER = 1e9
"""The price, see `Exemplars.best`, at which no list is named, not even one that did no harm anywhere."""
_CONSULTED = 4096
"""Exemplars, those with the largest weights, that lists are chosen by."""
_FIRST = 8
"""Lists to try that are chosen rather by whether they save anything; found on validation, like the root."""
_SIZE_SPREAD = 0.7
"""Standard deviation of how sizes are compared, in logarithms."""


@dataclass(frozen=True, slots=True)
class Exemplars:
    """N training functions: what their answers are, where they stand, and what L lists save on them."""

    answers: tuple[str, ...]
    """Lists as text, A of them, that a model may name; the first is the baseline itself."""
    lists: tuple[str, ...]
    """As text, L of them, that may be proposed."""
    shares: Floats32
    """(N, A) how often an answer is shown with the function, over how often it is shown at all."""
    points: Floats32
    """(N, D) where the functions stand."""
    saved: Floats32
    """(N, L) instructions saved over the baseline."""

    def posterior(self, chances: Mapping[str, float], point: Floats32) -> Floats:
        """(N,) how much each exemplar says of a function at `point` (D,), given chances of answers; sums to 1.

        exp(-d**2) at distance d. All 0 where none of the answers is known.
        """
        weights = (self.shares @ self.chances(chances)).astype(np.float64)
        known = weights > 0
        if known.any():
            nearness = -((self.points - point) ** 2).sum(axis=1)
            weights *= np.exp(np.minimum(nearness - nearness[known].max(), 0))
            weights /= weights.sum()
        return weights

    def chances(self, chances: Mapping[str, float]) -> Floats32:
        """(A,) the chances of the answers, 0 for those that are not among them."""
        return np.array([chances.get(answer, 0.0) for answer in self.answers], dtype=np.float32)

    def best(self, weights: Floats, price: float) -> str:
        """The list that is worth most unverified, or the baseline: what it saves less the price of what it risks.

        That is the instructions that it is expected to save, less `price` times the chance that it makes the function
        larger.
        """
        return self.best_at(weights, [price])[0]

    def best_at(self, weights: Floats, prices: Sequence[float]) -> list[str]:
        """The same at each of several prices."""
        saved, risk = self.prospects(weights)
        chosen = []
        for price in prices:
            worth = saved - price * risk
            best = int(worth.argmax())
            chosen.append(self.lists[best] if price < NEVER and worth[best] > 0 else self.answers[0])
        return chosen

    def prospects(self, weights: Floats) -> tuple[Floats, Floats]:
        """(L,) instructions that each list is expected to save, and (L,) how probably it makes the function larger."""
        most, weights = _consulted(weights)
        saved = self.saved[most]
        return weights @ saved, weights @ (saved < 0)

    def rank(self, weights: Floats, chances: Mapping[str, float]) -> Iterator[str]:
        """Lists to try beside the baseline: first those that are good together, then the others by how probable."""
        chosen = {self.answers[0]}
        for text in self._portfolio(weights):
            chosen.add(text)
            yield text
        others = chances.keys() - chosen
        yield from sorted(others, key=lambda text: (-chances[text], len(text), text))

    def _portfolio(self, weights: Floats) -> Iterator[str]:
        """Each the list that adds most to the best of those before it, until nothing is expected to be added.

        What the first lists save counts by its fourth root, which is more of whether it is anything than of how much:
        so few large savings of few exemplars do not decide what is tried first.
        """
        most, gains = _consulted(np.where(self.saved.max(axis=1, initial=0) > 0, weights, 0))
        expected: Floats32 = gains.astype(np.float32)
        saved = np.ascontiguousarray(self.saved[most].T).clip(0)
        first: list[int] = []
        for i in islice(_greedy(expected, np.sqrt(np.sqrt(saved))), _FIRST):
            first.append(i)
            yield self.lists[i]
        yield from (self.lists[i] for i in _greedy(expected, saved, first))


def _greedy(weights: Floats32, saved: Floats32, chosen: Sequence[int] = ()) -> Iterator[int]:
    """Rows of `saved` (L, N), each the one that adds most to the best of those before it and of those chosen already.

    Within 1 - 1/e of the best choice (expected savings of the best of a set are submodular), and lazy: what a row adds
    can only fall, so few are computed again.
    """
    reached = saved[list(chosen)].max(axis=0, initial=0)
    heap = [(-float(adds), i, 0) for i, adds in enumerate(np.maximum(saved - reached, 0) @ weights)]
    heapq.heapify(heap)
    number = 0
    while heap and heap[0][0] < 0:
        _, i, computed = heapq.heappop(heap)
        if computed == number:
            yield i
            np.maximum(reached, saved[i], out=reached)
            number += 1
        else:
            adds = float(weights @ (np.maximum(reached, saved[i]) - reached))
            heapq.heappush(heap, (-adds, i, number))


def exemplars_of(
    answers: Sequence[str],
    shares: Floats,
    shown: Floats,
    lists: Sequence[str],
    saved: Integers,
    points: Floats32,
) -> Exemplars:
    """From N functions, what was shown as their answers and what the lists save.

    `shares` (N, A): how often each answer is shown with a function, the baseline first. `shown` (N,): how much the
    function counts in training. `saved` (N, L): instructions. `points` (N, D): see `Exemplars`.
    """
    times = np.maximum(shares.T @ shown, np.finfo(np.float32).tiny)
    return Exemplars(
        tuple(answers),
        tuple(lists),
        (shares / times).astype(np.float32),
        points,
        saved.clip(-MOST, MOST).astype(np.float32),
    )


def _consulted(weights: Floats) -> tuple[Any, Floats]:
    """The exemplars with the largest weights, and these."""
    most = np.argpartition(-weights, _CONSULTED)[:_CONSULTED] if len(weights) > _CONSULTED else slice(None)
    return most, weights[most]


def size_points(sizes: npt.NDArray[np.integer]) -> Floats32:
    """(N,) instructions -> (N, 1) points that are near where the sizes are about the same.

    Differences of a few instructions are nothing between small functions.
    """
    points: Floats32 = (np.log(sizes + 8.0) / (np.sqrt(2) * _SIZE_SPREAD)).astype(np.float32)
    return points[:, None]
