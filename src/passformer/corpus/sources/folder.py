"""A source tree: every C, C++ and IR file below a folder, each compiled by itself, best effort."""

from collections.abc import Sequence
from pathlib import Path

from passformer.corpus.sources import require_folder
from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError
from passformer.llvm.frontend import C_SUFFIXES, IR_SUFFIXES

_INCLUDE_FOLDERS = ("include", "inc", "src")
_HEADER_SUFFIXES = (".h", ".hh", ".hpp", ".hxx")
_MAX_OTHERS = 100


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """Grouped by first-level subfolder (one project each); a flat folder's files are groups of their own."""
    root = require_folder(value)
    return tree_units(root, "dir")


def tree_units(root: Path, source: str, project: str | None = None) -> Sequence[Unit]:
    """The units of a tree, all compiled with the same flags: see `_include_flags`."""
    files = sorted(path for path in root.rglob("*") if path.suffix in C_SUFFIXES + IR_SUFFIXES and path.is_file())
    if not files:
        raise InputError(f"{root}: no {' '.join(C_SUFFIXES + IR_SUFFIXES)} file below it")
    # Without the map, __FILE__ would make another function of the same one in another place.
    flags = (*_include_flags(root), f"-ffile-prefix-map={root}=.")
    found = []
    for path in files:
        relative = path.relative_to(root)
        group = project or (relative.parts[0] if len(relative.parts) > 1 else relative.name)
        language = "ir" if path.suffix in IR_SUFFIXES else "c" if path.suffix == ".c" else "c++"
        found.append(Unit(source, group, str(relative), path, language, () if language == "ir" else flags))
    return found


def _include_flags(root: Path) -> list[str]:
    """Where headers are looked for: the root and folders named include, inc or src, then whatever has headers.

    The latter after the system's own, so that some folder's `string.h` takes no one's place; the uppermost, no more
    than a command line bears.
    """
    folders = [root, *(path for path in sorted(root.rglob("*")) if path.is_dir() and path.name in _INCLUDE_FOLDERS)]
    others = {path.parent for path in root.rglob("*.h*") if path.suffix in _HEADER_SUFFIXES} - set(folders)
    uppermost = sorted(others, key=lambda path: (len(path.parts), path))[:_MAX_OTHERS]
    return [
        *(flag for folder in folders for flag in ("-I", str(folder))),
        *(flag for folder in uppermost for flag in ("-idirafter", str(folder))),
    ]
