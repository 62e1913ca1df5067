"""Jotai: real C functions mined from open source, each in a file with a driver (Kind et al., 2022)."""

from collections.abc import Sequence
from pathlib import Path

from passformer.corpus.sources import require_folder
from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError

DRIVER = frozenset({"main", "usage", "next_i", "next_f"})
"""Functions that each file has for running it; they are Jotai's, not the project's."""

_PROJECT_PREFIX = 5


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """One unit a benchmark file; only the mined function is taken.

    The file names run project and path together without a separator, so files are grouped by their first five letters:
    coarser than projects (never torn apart), and `linux` is one group.
    """
    root = require_folder(value, "benchmarks", ".")
    files = sorted(root.rglob("extr_*.c"))
    if not files:
        raise InputError(f"{value}: expected Jotai's benchmarks/*/extr_*.c there")
    return [
        Unit("jotai", path.name[len("extr_") :][:_PROJECT_PREFIX].lower(), path.name, path, skip=DRIVER)
        for path in files
    ]
