"""What lists save where it is not certain which list is the best one.

A model says how probable each answer is. What lists saved where another answer was right is known from the functions
that it was trained on. Together they tell which single list to name when nothing will be verified, and whether to name
any (a list that is probably good may do much harm where it is not), and which K lists to try when the best of them
will be taken: the K most probable ones are often good on the same functions.

Some training functions of each answer, its exemplars, stand for all of them. For one prompt they are weighed by how
probable their answer is, and how near they are in size. A model is not shown functions as often as they occur: few of
those on which nothing beats -Oz, and large gains count more (see `DataSection`). Its probabilities are of what it is
shown, and are weighed back here.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
MOST = 20
"""Savings and losses beyond count as so many: few functions would decide all."""
PER_ANSWER = 400
"""Training functions that stand for all of one answer."""
_CONSULTED = 4096
"""Exemplars, those with the largest weights, that lists to try are chosen by."""
_SPREAD = 0.7
"""Standard deviation of how sizes are compared, in logarithms."""


@dataclass(frozen=True, slots=True)
class Exemplars:
    """N exemplars: training functions, each with one of its answers."""

    answers: tuple[str, ...]
    """Lists as text, A of them; the first is the baseline itself."""
    lists: tuple[str, ...]
    """As text, L of them."""
    answer: npt.NDArray[np.uint16]
    """(N,) index into `answers`."""
    weight: npt.NDArray[np.float32]
    """(N,) functions that the exemplar stands for, over how often its answer was shown to the power of `trust`."""
    size: npt.NDArray[np.int32]
    """(N,) instructions before any optimisation."""
    saved: npt.NDArray[np.float32]
    """(N, L) instructions saved over the baseline."""
    trust: float = 1.0
    """Power of chances over how often answers are shown: more than 1 where a model is surer than it says."""

    def posterior(self, chances: Mapping[str, float], size: int) -> Floats:
        """(N,) how much each exemplar says of a function of `size` instructions, given chances of answers; sums to 1.

        All 0 where none of the answers is known.
        """
        chance = np.array([chances.get(answer, 0.0) for answer in self.answers]) ** self.trust
        weights = chance[self.answer] * self.weight.astype(np.float64)
        known = weights > 0
        if known.any():
            nearness = -(((_log_size(self.size) - _log_size(np.array(size))) / _SPREAD) ** 2) / 2
            weights *= np.exp(np.minimum(nearness - nearness[known].max(), 0))
            weights /= weights.sum()
        return weights

    def best(self, weights: Floats) -> tuple[str, float]:
        """The list that is expected to save most, and how much; the baseline and 0 where nothing is to be saved."""
        saved = weights.astype(np.float32) @ self.saved
        best = int(saved.argmax())
        return (self.lists[best], float(saved[best])) if saved[best] > 0 else (self.answers[0], 0.0)

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

        Greedy, which is within 1 - 1/e of the best choice (expected savings of the best of a set are submodular), and
        lazy: what a list adds can only fall, so few are computed again.
        """
        gains = np.where(self.saved.max(axis=1, initial=0) > 0, weights, 0)
        most = np.argpartition(-gains, _CONSULTED)[:_CONSULTED] if len(gains) > _CONSULTED else slice(None)
        weights, saved = gains[most].astype(np.float32), np.ascontiguousarray(self.saved[most].T).clip(0)
        reached = np.zeros(len(weights), dtype=np.float32)
        heap = [(-float(adds), i, 0) for i, adds in enumerate(saved @ weights)]
        heapq.heapify(heap)
        chosen = 0
        while heap and heap[0][0] < 0:
            _, i, computed = heapq.heappop(heap)
            if computed == chosen:
                yield self.lists[i]
                np.maximum(reached, saved[i], out=reached)
                chosen += 1
            else:
                adds = float(weights @ (np.maximum(reached, saved[i]) - reached))
                heapq.heappush(heap, (-adds, i, chosen))


def write_exemplars(path: Path, exemplars: Exemplars) -> None:
    """As one .npz file."""
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            answers=list(exemplars.answers),
            lists=list(exemplars.lists),
            answer=exemplars.answer,
            weight=exemplars.weight,
            size=exemplars.size,
            saved=exemplars.saved.astype(np.int8),
            trust=exemplars.trust,
        )


def read_exemplars(path: Path) -> Exemplars:
    """Raises ValueError, KeyError or OSError where the file is damaged."""
    with np.load(path, allow_pickle=False) as data:
        answers, lists = (tuple(map(str, data[name])) for name in ("answers", "lists"))
        saved = data["saved"].astype(np.float32)
        return Exemplars(answers, lists, data["answer"], data["weight"], data["size"], saved, float(data["trust"]))


def exemplars_of(
    shares: Floats,
    shown: Floats,
    saved: Integers,
    sizes: Integers,
    lists: Sequence[str],
    baseline: str,
    trust: float = 1.0,
) -> Exemplars:
    """From F functions, exemplars of what was shown as their answers and what the lists save.

    `shares` (F, 1 + L): how often each answer is shown with a function, the baseline first. `shown` (F,): how much the
    function counts in training. `saved` (F, L) and `sizes` (F,): instructions. Of an answer with more than `PER_ANSWER`
    functions an even sample along their sizes is taken.
    """
    times = shares.T @ shown
    taken, weights, answers = [], [], []
    for answer in np.flatnonzero(times):
        functions = np.flatnonzero(shares[:, answer])
        share = shares[functions, answer]
        if len(functions) > PER_ANSWER:
            by_size = np.argsort(sizes[functions], kind="stable")
            reached = np.cumsum(share[by_size])
            at = np.searchsorted(reached, (np.arange(PER_ANSWER) + 0.5) / PER_ANSWER * reached[-1])
            functions, share = functions[by_size[at]], np.full(PER_ANSWER, reached[-1] / PER_ANSWER)
        taken.append(functions)
        weights.append(share / times[answer] ** trust)
        answers.append(np.full(len(functions), answer))
    rows = np.concatenate(taken)
    return Exemplars(
        (baseline, *lists),
        tuple(lists),
        np.concatenate(answers).astype(np.uint16),
        np.concatenate(weights).astype(np.float32),
        sizes[rows].astype(np.int32),
        saved[rows].clip(-MOST, MOST).astype(np.float32),
        trust,
    )


def _log_size(size: npt.NDArray[np.integer]) -> Floats:
    """Differences of a few instructions are nothing between small functions."""
    logs: Floats = np.log(size + 8.0)
    return logs
