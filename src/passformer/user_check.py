"""The user's own check: keep an optimised output only where the user's command passes with it, else that of -Oz."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from passformer.llvm.errors import InputError
from passformer.llvm.sandbox import Pool
from passformer.optimize import Optimized, write_output


def keep_what_passes(
    outcomes: Sequence[Optimized], targets: Sequence[Path], command: str, pool: Pool
) -> list[Optimized]:
    """Write the outputs that pass together to `targets`; returns the outcomes as written.

    The shell command runs with all outputs of -Oz (where it must pass), then with all optimised ones; if it fails then,
    they are tried one after the other, and each with which it fails gets its -Oz output back. Raises InputError where
    it fails with -Oz already.
    """

    def write(outcome: Optimized, target: Path) -> None:
        write_output(outcome, target, pool)

    plain = [outcome.fallen_back() for outcome in outcomes]
    for outcome, target in zip(plain, targets, strict=True):
        write(outcome, target)
    if not _passes(command):
        raise InputError(f"--check {command!r} fails with the outputs of -Oz: what it tests must work without us")
    for outcome, target in zip(outcomes, targets, strict=True):
        write(outcome, target)
    if _passes(command):
        return list(outcomes)
    kept = list(plain)
    for outcome, target in zip(plain, targets, strict=True):
        write(outcome, target)
    for i, (outcome, target) in enumerate(zip(outcomes, targets, strict=True)):
        write(outcome, target)
        if _passes(command):
            kept[i] = outcome
        else:
            write(plain[i], target)
    return kept


def _passes(command: str) -> bool:
    """Its output goes to our stderr: stdout is for results."""
    sys.stderr.flush()
    return subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode == 0
