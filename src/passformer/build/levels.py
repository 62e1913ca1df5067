"""Optimisation levels on a command line."""

from collections.abc import Sequence

LEVELS = ("Oz", "Os")
"""Those that ask for small code: objects at other levels are left alone."""
_FLAGS = ("-O0", "-O1", "-O2", "-O3", "-O4", "-Og", "-Os", "-Oz", "-Ofast", "-O")


def level_of(arguments: Sequence[str]) -> str:
    """The optimisation level, as `O2`: the last one counts."""
    levels = [word for word in arguments if word in _FLAGS]
    return {"-O": "O1", "-O4": "O3"}.get(levels[-1], levels[-1][1:]) if levels else "O0"
