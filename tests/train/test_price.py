"""The price of making functions larger."""

import numpy as np

from passformer.model.exemplars import NEVER
from passformer.train.price import best_price


def test_the_price_is_high_enough_and_no_higher():
    outcomes = {
        0.0: np.array([9, -1, 7, -1, 8, 2]),
        1.0: np.array([9, 0, 7, -1, 7, 0]),
        2.0: np.array([9, 0, 7, 0, 0, 0]),
        NEVER: np.zeros(6, dtype=np.int64),
    }
    assert best_price(outcomes, 1.0) == 0 and best_price(outcomes, 0.2) == 1 and best_price(outcomes, 0.1) == 2
    assert best_price({price: -saved for price, saved in outcomes.items()}, 1.0) == NEVER, "where all does harm"
    del outcomes[2.0]
    assert best_price(outcomes, 0.1) == NEVER
