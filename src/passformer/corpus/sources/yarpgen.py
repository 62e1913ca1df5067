"""yarpgen: random C programs made of loops and arithmetic (Livinskii et al., 2020), version 2, generated here."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from passformer.corpus.sources import require_seeds
from passformer.corpus.unit import Unit
from passformer.llvm.errors import CompilerError, InputError

_INIT = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"init\.h".*$', re.MULTILINE)


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """Programs of seeds 1 to N, or A to B."""
    seeds = require_seeds(value, "yarpgen")
    if not shutil.which("yarpgen"):
        raise InputError(
            "yarpgen is not on PATH: build it from https://github.com/intel/yarpgen "
            "(cmake -B build && cmake --build build) and put the yarpgen it makes on PATH"
        )
    return [Unit("yarpgen", str(seed), f"seed {seed}", partial(generate, seed)) for seed in seeds]


def generate(seed: int) -> bytes:
    """`func.c` of one seed with `init.h` in it; `driver.c`, which only runs and prints, is left out."""
    with tempfile.TemporaryDirectory(prefix="yarpgen-") as folder:
        command = ["yarpgen", "--std=c", f"--seed={seed}", "-o", folder]
        try:
            done = subprocess.run(command, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            raise CompilerError("yarpgen takes over 60 s") from None
        if done.returncode:
            raise CompilerError(f"yarpgen fails: {done.stderr.decode(errors='replace').strip()[:200]}")
        try:
            function, declarations = (Path(folder, name).read_bytes() for name in ("func.c", "init.h"))
        except FileNotFoundError as error:
            raise CompilerError(
                f"yarpgen wrote no {Path(error.filename).name}: version 2 is needed, this is another"
            ) from None
    return _INIT.sub(lambda _: declarations, function)
