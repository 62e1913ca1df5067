"""One labelled function as token ids: what samples are put together from."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint16]


class View(Protocol):
    """The code of one function, as prompts show it."""

    @property
    def unoptimised(self) -> Ids:
        """Normal form."""

    @property
    def after_oz(self) -> Ids:
        """Normal form; empty where -Oz was not run."""

    @property
    def counts(self) -> Ids:
        """Lines of opcode counts, see `count_lines`."""


@dataclass(frozen=True, slots=True)
class Code:
    """A view of code that no label is known for."""

    unoptimised: Ids
    after_oz: Ids
    counts: Ids


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One function."""

    function_id: str
    source: str
    unoptimised: Ids
    after_oz: Ids
    counts: Ids
    optimised: Ids
    """After the label's list."""
    before: int
    """Instructions of the unoptimised module."""
    oz_count: int
    better: tuple[tuple[str, int], ...]
    """(pass list, instructions) of every list that beats -Oz; the first is the label; none where -Oz is the label."""
