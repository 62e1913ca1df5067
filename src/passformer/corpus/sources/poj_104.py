"""POJ-104: student solutions of programming problems (Mou et al., 2016), a folder a problem, without any includes."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from passformer.corpus.sources import require_folder
from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError

_MAIN = re.compile(rb"^[ \t]*(?:void[ \t]+)?main[ \t]*\(", re.MULTILINE)


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """All solutions, grouped by problem."""
    root = require_folder(value)
    files = sorted(path for path in root.rglob("*") if path.suffix in (".cpp", ".c", ".txt") and path.is_file())
    files = [path for path in files if path.parent.name.isdecimal()]
    if not files:
        raise InputError(f"{value}: expected folders named by problem number with .cpp, .c or .txt files in them")
    return [
        Unit(
            "poj-104",
            path.parent.name,
            f"{path.parent.name}/{path.name}",
            partial(_source, path),
            language="c++",
            standard_headers=True,
        )
        for path in files
    ]


def _source(path: Path) -> bytes:
    """The program with the namespace that the collection stripped together with the includes, and a legal `main`."""
    return b"using namespace std;\n" + _MAIN.sub(b"int main(", path.read_bytes())
