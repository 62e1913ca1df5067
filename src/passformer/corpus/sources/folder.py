"""A source tree: every C, C++ and IR file below a folder, each compiled by itself, best effort."""

from collections.abc import Sequence
from pathlib import Path

from passformer.corpus.sources import require_folder
from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError
from passformer.llvm.frontend import C_SUFFIXES, IR_SUFFIXES


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """Grouped by first-level subfolder (one project each); a flat folder's files are groups of their own."""
    root = require_folder(value)
    return tree_units(root, "dir")


def tree_units(root: Path, source: str, project: str | None = None) -> Sequence[Unit]:
    """The units of a tree; headers are looked for in the root and in every folder named include, inc or src."""
    files = sorted(path for path in root.rglob("*") if path.suffix in C_SUFFIXES + IR_SUFFIXES and path.is_file())
    if not files:
        raise InputError(f"{root}: no {' '.join(C_SUFFIXES + IR_SUFFIXES)} file below it")
    includes = [root, *(p for p in sorted(root.rglob("*")) if p.is_dir() and p.name in ("include", "inc", "src"))]
    flags = tuple(flag for folder in includes for flag in ("-I", str(folder)))
    found = []
    for path in files:
        relative = path.relative_to(root)
        group = project or (relative.parts[0] if len(relative.parts) > 1 else relative.name)
        language = "ir" if path.suffix in IR_SUFFIXES else "c" if path.suffix == ".c" else "c++"
        found.append(Unit(source, group, str(relative), path, language, () if language == "ir" else flags))
    return found
