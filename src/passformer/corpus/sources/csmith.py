"""csmith: random C programs (Yang et al., 2011), generated here; the seed is the program's number."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from passformer.corpus.sources import require_seeds
from passformer.corpus.unit import Unit
from passformer.llvm.errors import CompilerError, InputError

_HEADER_FOLDERS = ("/usr/include/csmith", "/usr/local/include/csmith", "/opt/homebrew/include/csmith")

SECONDS = 60
"""csmith does not end on some seeds."""


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """Programs of seeds 1 to N, or A to B."""
    seeds = require_seeds(value, "csmith")
    headers = next((folder for folder in _HEADER_FOLDERS if Path(folder, "csmith.h").is_file()), None)
    if not shutil.which("csmith") or headers is None:
        raise InputError("csmith or its headers are missing: apt-get install csmith libcsmith-dev")
    return [Unit("csmith", str(seed), f"seed {seed}", partial(generate, seed), flags=("-I", headers)) for seed in seeds]


def generate(seed: int) -> bytes:
    """The program of one seed."""
    with tempfile.TemporaryDirectory(prefix="passformer-") as folder:  # it writes a `platform.info` where it is
        command = ["csmith", "--seed", str(seed)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, cwd=folder)
        except subprocess.TimeoutExpired:
            raise CompilerError(f"csmith takes over {SECONDS} s") from None
    if done.returncode:
        raise CompilerError(f"csmith fails on seed {seed}: {done.stderr.decode(errors='replace')[:200]}")
    return done.stdout
