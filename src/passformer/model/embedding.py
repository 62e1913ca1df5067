"""Where a function stands to the functions that a model was trained on.

A perceptron with one hidden layer makes a point of what is known of a function before any list is tried: the model's
probabilities, and how often each opcode stands in its code. It is trained such that what lists save on the functions
near a point is what they save there (neighbourhood components analysis; Goldberger et al., 2004; see
`passformer.train.embedding`). The counts say of long code what a cut prompt does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from passformer.dataset.opcodes import OPCODES, opcode_counts

Floats32 = npt.NDArray[np.float32]
_LEAST_CHANCE = 1e-5
_MOST = 5.0
"""Standard deviations that a feature may be off the mean: what is far off was seldom seen in training."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """F features -> H hidden units -> D coordinates."""

    mean: Floats32
    """(F,) of the features in training."""
    deviation: Floats32
    """(F,)"""
    hidden: Floats32
    """(F, H)"""
    hidden_bias: Floats32
    """(H,)"""
    out: Floats32
    """(H, D)"""
    out_bias: Floats32
    """(D,)"""

    def standardised(self, features: Floats32) -> Floats32:
        """(..., F) -> (..., F)."""
        scaled: Floats32 = ((features - self.mean) / self.deviation).clip(-_MOST, _MOST)
        return scaled

    def __call__(self, features: Floats32) -> Floats32:
        """(..., F) -> (..., D)."""
        points: Floats32 = np.maximum(self.standardised(features) @ self.hidden + self.hidden_bias, 0) @ self.out
        return points + self.out_bias


def features_of(chances: Floats32, codes: Sequence[str]) -> Floats32:
    """(F,) of the chances of answers (A,) and the normal forms that a prompt shows: F = A + (1 + opcodes) * codes."""
    features = [np.log(chances + _LEAST_CHANCE)]
    for code in codes:
        counts = opcode_counts(code)
        features.append(np.log1p(np.array([counts.total(), *(counts[name] for name in OPCODES)])))
    return np.concatenate(features).astype(np.float32)
