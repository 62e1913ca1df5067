"""What a list is expected to save where it is not certain which list is the best one.

A model says how probable it is that each list is a function's best. What a list saves where another one is the best is
known from the functions that it was trained on. Both together tell which single list to name when nothing will be
verified, and whether to name any: a list that is probably best may do much harm where it is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Savings:
    """Mean instructions saved over the baseline."""

    labels: tuple[str, ...]
    """Best lists of functions, as text; the first is the baseline itself."""
    lists: tuple[str, ...]
    """As text."""
    table: npt.NDArray[np.float32]
    """(labels, lists): what the list saves on functions whose best list is the label."""

    def expected(self, chances: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """(lists,) of each list, for chances of labels; labels that the table does not know say nothing."""
        weights = np.array([chances.get(label, 0.0) for label in self.labels])
        saved: npt.NDArray[np.float64] = weights @ self.table.astype(np.float64)
        return saved

    def choose(self, chances: Mapping[str, float], least: float) -> str:
        """The list that is expected to save most; the baseline where that is not more than `least` instructions."""
        saved = self.expected(chances)
        best = int(saved.argmax()) if len(saved) else -1
        return self.lists[best] if best >= 0 and saved[best] > least else self.labels[0]


def write_savings(path: Path, savings: Savings) -> None:
    """As one .npz file."""
    with path.open("wb") as file:
        np.savez_compressed(file, labels=list(savings.labels), lists=list(savings.lists), table=savings.table)


def read_savings(path: Path) -> Savings:
    """Raises ValueError or OSError where the file is damaged."""
    with np.load(path, allow_pickle=False) as data:
        return Savings(tuple(map(str, data["labels"])), tuple(map(str, data["lists"])), data["table"])


def savings_of(
    labels: npt.NDArray[np.int64], saved: npt.NDArray[np.int64], lists: Sequence[str], baseline: str, most: int = 50
) -> Savings:
    """From (functions,) columns of best lists, -1 for the baseline, and (functions, lists) instructions saved.

    Savings and losses beyond `most` count as so many, or few functions would decide all.
    """
    clipped = saved.clip(-most, most).astype(np.float64)
    present = sorted({-1, *labels.tolist()})
    rows = [clipped[labels == label].mean(axis=0) if (labels == label).any() else clipped[0] * 0 for label in present]
    names = tuple(baseline if label < 0 else lists[label] for label in present)
    return Savings(names, tuple(lists), np.array(rows, dtype=np.float32))
