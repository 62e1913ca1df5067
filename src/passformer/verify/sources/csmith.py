"""csmith's random programs, seeds 1 to N, which print a checksum of their variables."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from passformer.corpus.sources import csmith
from passformer.verify.program import Candidate


def candidates(value: str) -> Sequence[Candidate]:
    """Programs of seeds 1 to N; raises InputError where csmith is not installed."""
    units = csmith.units(value, Path())
    return [
        Candidate("csmith", unit.name, partial(csmith.generate, int(unit.group)), flags=unit.flags) for unit in units
    ]
