"""The price of making functions larger: what keeps lists that nothing verifies from doing much harm."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from passformer.model.exemplars import NEVER

Integers = npt.NDArray[np.int64]
MOST_REGRESSED = 0.008
"""Share of all functions that an unverified list may make larger: 1 %, and a fifth less because this is a sample."""
FOLDS = 2
"""Of groups: a price is found on functions of groups that nothing was learnt from."""
PRICES = (0.0, *(2.0 ** (n / 2) for n in range(-2, 13)), NEVER)
"""Instructions."""


def best_price(outcomes: Mapping[float, Integers], most_regressed: float = MOST_REGRESSED) -> float:
    """The price at which most is saved while few enough functions are made larger.

    `outcomes`: by price, (N,) instructions saved.
    """
    allowed = [price for price, saved in outcomes.items() if (saved < 0).sum() <= most_regressed * len(saved)]
    return max(allowed, key=lambda price: (outcomes[price].sum(), price))
