"""Our own random programs (see `generate`), seeds 1 to N, three inputs each."""

from collections.abc import Callable, Sequence

from passformer.corpus.sources import require_seeds
from passformer.verify.generate import random_program
from passformer.verify.program import Candidate

_INPUTS = (("0",), ("1",), ("2",))


def candidates(value: str) -> Sequence[Candidate]:
    """Programs of seeds 1 to N, or A to B."""
    seeds = require_seeds(value, "random")
    return [Candidate("random", f"seed {seed}", _writer(seed), inputs=_INPUTS) for seed in seeds]


def _writer(seed: int) -> Callable[[], bytes]:
    return lambda: random_program(seed).encode()
