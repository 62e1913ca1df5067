"""A JSON compilation database: what CMake, Meson, Bear and others write down about a build."""

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError
from passformer.llvm.frontend import C_SUFFIXES

_LANGUAGES = {"c": "c", "c-header": "c", "cpp-output": "c", "c++": "c++", "c++-header": "c++", "c++-cpp-output": "c++"}
_DROPPED = frozenset({"-c", "-S", "-E", "-M", "-MM", "-MD", "-MMD", "-MP", "-MG", "-pipe", "-emit-llvm", "--coverage"})
_DROPPED_WITH_VALUE = ("-o", "-x", "-MF", "-MT", "-MQ", "-MJ", "-dumpdir", "-include-pch")
_DROPPED_PREFIXES = (
    *("-flto", "-fno-lto", "-fsanitize", "-fno-sanitize", "-fprofile", "-fcoverage", "-fxray", "-finstrument"),
    *("-O", "-g", "-save-temps", "-Wl,", "-Wa,", "-Wp,-M", "-fdiagnostics", "-fcolor-diagnostics"),
)
"""Output, dependencies, instrumentation, levels: what the corpus decides itself, or has no use for."""


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """The C and C++ entries of a database; those whose file is missing fail when it is their turn."""
    return database_units(Path(value), "compile-commands")


def database_units(database: Path, source: str, project: str | None = None) -> Sequence[Unit]:
    """The units of a database, each file with each set of flags once.

    Grouped by project: as given; else the first folder below the database's where its files lie in several such
    folders; else the database's folder. Raises InputError where the file is no database, or none of its files exists.
    """
    entries = [entry for entry in read_database(database) if language_of(entry) is not None]
    paths = [_path(entry) for entry in entries]
    if not entries:
        raise InputError(f"{database}: no entry for a C or C++ file in it")
    if not any(path.is_file() for path in paths):
        raise InputError(
            f"{database}: none of its {len(paths)} files exists, as {paths[0]}: was the source tree moved?"
        )
    groups = [project] * len(entries) if project else _groups(database.resolve().parent, paths)
    found: dict[tuple[Path, tuple[str, ...]], Unit] = {}
    for entry, path, group in zip(entries, paths, groups, strict=True):
        flags = tuple(_kept(entry))
        code = path if path.is_file() else partial(_missing, path)
        language = language_of(entry) or "c"
        found[path, flags] = Unit(source, group, str(path), code, language, flags, Path(entry["directory"]))
    return list(found.values())


def _missing(path: Path) -> bytes:
    raise InputError(f"{path.name}: no such file in {path.parent}")


def read_database(database: Path) -> list[dict[str, Any]]:
    """Entries, each with `arguments` as a list and `directory` absolute; raises InputError where it is none."""
    try:
        entries = json.loads(database.read_bytes())
    except OSError as error:
        raise InputError(f"{database}: {error.strerror}: expected a compile_commands.json") from None
    except ValueError as error:
        raise InputError(f"{database} is no JSON ({error}): expected a compile_commands.json") from None
    if not isinstance(entries, list) or not all(_well_formed(entry) for entry in entries):
        raise InputError(
            f"{database}: expected a list of objects with `directory`, `file`, and `arguments` or `command`, "
            "as in https://clang.llvm.org/docs/JSONCompilationDatabase.html"
        )
    folder = database.resolve().parent
    return [
        {
            "arguments": list(entry["arguments"]) if "arguments" in entry else shlex.split(entry["command"]),
            "directory": str(folder / entry["directory"]),
            "file": entry["file"],
        }
        for entry in entries
    ]


def _well_formed(entry: Any) -> bool:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("directory", "file")):
        return False
    if "arguments" in entry:
        return isinstance(entry["arguments"], list) and all(isinstance(a, str) for a in entry["arguments"])
    try:
        return isinstance(entry.get("command"), str) and bool(shlex.split(entry["command"]))
    except ValueError:  # an open quote
        return False


def _path(entry: dict[str, Any]) -> Path:
    return Path(os.path.normpath(Path(entry["directory"], entry["file"])))


def language_of(entry: dict[str, Any]) -> str | None:
    """`c`, `c++`, or None for what is neither (assembly, Objective-C, CUDA)."""
    language: str | None = None
    for flag, following in zip(entry["arguments"], [*entry["arguments"][1:], ""], strict=True):
        if flag.startswith("-x"):
            language = flag[2:] or following
    if language and language != "none":
        return _LANGUAGES.get(language)
    suffix = Path(entry["file"]).suffix
    return "c" if suffix == ".c" else "c++" if suffix in (*C_SUFFIXES, ".c++", ".CPP", ".cp") else None


def flags_of(entry: dict[str, Any]) -> list[str]:
    """Without the compiler and what launches it (`ccache gcc`, `env A=b cc`): what stands before the first flag."""
    arguments: list[str] = entry["arguments"]
    first = next((i for i, argument in enumerate(arguments) if argument.startswith(("-", "@"))), len(arguments))
    return arguments[first:]


def _kept(entry: dict[str, Any]) -> Iterator[str]:
    """The flags that change what the front-end makes of the file."""
    rest = iter(flags_of(entry))
    file = _path(entry)
    for argument in rest:
        if argument == "-Xclang":
            yield from _kept_for_clang(rest)
        elif argument in _DROPPED_WITH_VALUE:
            next(rest, None)
        elif argument in _DROPPED or argument.startswith((*_DROPPED_PREFIXES, *_joined(_DROPPED_WITH_VALUE))):
            continue
        elif argument.startswith("-W") and not argument.startswith("-Wp,"):
            continue  # a warning; -Werror would make errors of those that only the other compiler does not have
        elif argument == "--":
            continue
        elif argument.startswith("-") or _path({**entry, "file": argument}) != file:
            yield argument


def _kept_for_clang(rest: Iterator[str]) -> Iterator[str]:
    """`-Xclang FLAG`, but no header that another compiler precompiled (`-Xclang -include-pch -Xclang FILE`)."""
    flag = next(rest, "")
    if flag == "-include-pch":
        next(rest, None)
        next(rest, None)
    else:
        yield from ("-Xclang", flag)


def _joined(flags: Sequence[str]) -> tuple[str, ...]:
    """Those that may be written together with their value: `-oX`, `-xc`, `-MFX`."""
    return tuple(flag for flag in flags if flag in ("-o", "-x", "-MF", "-MT", "-MQ", "-MJ"))


def _groups(root: Path, paths: Sequence[Path]) -> list[str]:
    below = [path.relative_to(root).parts[:-1] if path.is_relative_to(root) else () for path in paths]
    several = len({parts[:1] for parts in below if parts}) > 1
    return [parts[0] if several and parts else root.name for parts in below]
