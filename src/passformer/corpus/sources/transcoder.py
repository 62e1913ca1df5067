"""TransCoder's GeeksforGeeks evaluation set: short C and C++ programs (Roziere et al., 2020), grouped by problem."""

from collections.abc import Sequence
from pathlib import Path

from passformer.corpus.sources import require_folder
from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """The folders `c` and `cpp` of `data/transcoder_evaluation_gfg`."""
    root = require_folder(value, "data/transcoder_evaluation_gfg", "transcoder_evaluation_gfg", ".")
    found = [
        Unit(
            "transcoder",
            path.stem,
            f"{language}/{path.name}",
            path,
            language=language,
            # The drivers call `f_filled`, which is still to be filled in: in C an empty stub, in C++ nothing at all.
            flags=("-Df_filled=f_gold",) if language == "c++" else (),
            skip=frozenset({"f_filled"}),
            standard_headers=language == "c++",
        )
        for language, folder in (("c", "c"), ("c++", "cpp"))
        for path in sorted((root / folder).glob("*.c*"))
    ]
    if not found:
        raise InputError(f"{value}: expected data/transcoder_evaluation_gfg with c/*.c and cpp/*.cpp there")
    return found
