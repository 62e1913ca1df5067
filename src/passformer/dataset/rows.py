"""One labelled function as token ids: what samples are put together from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One function."""

    function_id: str
    source: str
    unoptimised: Ids
    after_oz: Ids
    optimised: Ids
    """After the label's list."""
    before: int
    """Instructions of the unoptimised module."""
    oz_count: int
    better: tuple[tuple[str, int], ...]
    """(pass list, instructions) of every list that beats -Oz; the first is the label; none where -Oz is the label."""
