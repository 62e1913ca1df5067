"""What a list is expected to save where it is not certain which list is the best one.

A model says how probable each answer is. What a list saves where another answer was right is known from the functions
that it was trained on. Both together tell which single list to name when nothing will be verified, and whether to name
any: a list that is probably good may do much harm where it is not.

A model is not shown functions as often as they occur: few of those on which nothing beats -Oz, and large gains count
more (see `DataSection`). Its probabilities are of what it is shown, and are weighed back here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Savings:
    """Mean instructions saved over the baseline, by what is the answer."""

    answers: tuple[str, ...]
    """Lists as text, A of them; the first is the baseline itself."""
    lists: tuple[str, ...]
    """As text, L of them."""
    saved: Floats
    """(A, L): sum over functions of what the list saves on them, for each time that the answer was shown."""
    functions: Floats
    """(A,): functions for each time that the answer was shown."""

    def expected(self, chances: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """(L,) instructions that each list saves, for chances of answers; unknown answers say nothing."""
        weights = np.array([chances.get(answer, 0.0) for answer in self.answers])
        functions = float(weights @ self.functions.astype(np.float64))
        saved: npt.NDArray[np.float64] = weights @ self.saved.astype(np.float64)
        return saved / functions if functions else saved

    def best(self, chances: Mapping[str, float]) -> tuple[str, float]:
        """The list that is expected to save most, and how much; the baseline and 0 where nothing is to be saved."""
        saved = self.expected(chances)
        best = int(saved.argmax())
        return (self.lists[best], float(saved[best])) if saved[best] > 0 else (self.answers[0], 0.0)


def write_savings(path: Path, savings: Savings) -> None:
    """As one .npz file."""
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            answers=list(savings.answers),
            lists=list(savings.lists),
            saved=savings.saved,
            functions=savings.functions,
        )


def read_savings(path: Path) -> Savings:
    """Raises ValueError, KeyError or OSError where the file is damaged."""
    with np.load(path, allow_pickle=False) as data:
        answers, lists = (tuple(map(str, data[name])) for name in ("answers", "lists"))
        return Savings(answers, lists, data["saved"], data["functions"])


def savings_of(
    shares: npt.NDArray[np.float64],
    shown: npt.NDArray[np.float64],
    saved: npt.NDArray[np.int64],
    lists: Sequence[str],
    baseline: str,
    most: int = 50,
) -> Savings:
    """From F functions, tables of what was shown as their answers and what the lists save.

    `shares` (F, 1 + L): how often each answer is shown with a function, the baseline first. `shown` (F,): how much the
    function counts in training. `saved` (F, L); savings and losses beyond `most` count as so many, or few functions
    would decide all.
    """
    times = shares.T @ shown
    each = np.divide(1.0, times, out=np.zeros_like(times), where=times > 0)
    table = each[:, None] * (shares.T @ saved.clip(-most, most).astype(np.float64))
    functions = each * shares.sum(axis=0)
    return Savings((baseline, *lists), tuple(lists), table.astype(np.float32), functions.astype(np.float32))
