"""A Debian source package: fetched with apt-get, configured where it can be, compiled best effort."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from passformer.corpus.files import make_folder
from passformer.corpus.sources.compile_commands import database_units
from passformer.corpus.sources.folder import tree_units
from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(?:=[\w.+:~-]+)?")
_FETCH_SECONDS = 600
_CONFIGURE_SECONDS = 300
_ENABLE = (
    "apt has no deb-src sources: add `Types: deb-src` in a copy of /etc/apt/sources.list.d/debian.sources "
    "(or a deb-src line in /etc/apt/sources.list), then run apt-get update"
)


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """The source package that `apt-get source` finds under this name, unpacked and patched in `workdir`.

    What its CMakeLists.txt or ./configure does is run as the current user, as a build of the package would.
    """
    if not _PACKAGE.fullmatch(value):
        raise InputError(f"debian:{value}: write the name of a source package, as in debian:zlib")
    package = value.partition("=")[0]
    return unpacked_units(fetch(value, workdir / f"debian-{package}"), package)


def unpacked_units(root: Path, package: str) -> Sequence[Unit]:
    """The units of an unpacked source package, all in one group.

    With a CMakeLists.txt: what CMake would compile. With a `configure`: all files, with the config.h it makes. Where
    neither is there or works: all files as they are.
    """
    shutil.rmtree(root / ".pc", ignore_errors=True)  # quilt's copies of the files as they were before each patch
    database = _cmake_database(root)
    if database is not None:
        # Without the map, __FILE__ would name a temporary folder, another each time.
        placeless = f"-ffile-prefix-map={root}=."
        found = database_units(database, "debian", package)
        return [replace(unit, flags=(*unit.flags, placeless)) for unit in found]
    configured = tuple(flag for folder in _configure(root) for flag in ("-DHAVE_CONFIG_H", "-I", str(folder)))
    found = tree_units(root, "debian", project=package)
    return [unit if unit.language == "ir" else replace(unit, flags=(*configured, *unit.flags)) for unit in found]


def fetch(package: str, folder: Path) -> Path:
    """Download and unpack into `folder`; returns the source tree. Raises InputError where apt-get cannot."""
    for tool, home in (("apt-get", "a Debian system"), ("dpkg-source", "`apt-get install dpkg-dev`")):
        if not shutil.which(tool):
            raise InputError(f"debian:{package}: {tool} is missing, it comes with {home}")
    make_folder(folder)
    command = ["apt-get", "--quiet", "--quiet", "source", package]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=_FETCH_SECONDS, env={**os.environ, "LC_ALL": "C"}
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"debian:{package}: apt-get source takes over {_FETCH_SECONDS} s: try again later") from None
    message = done.stderr.decode(errors="replace")
    if "deb-src" in message:
        raise InputError(f"debian:{package}: {_ENABLE}")
    tree = next((path for path in sorted(folder.iterdir()) if path.is_dir()), None)
    if done.returncode or tree is None:
        errors = [line[3:] for line in message.splitlines() if line.startswith("E: ")]
        raise InputError(f"debian:{package}: {(errors or ['apt-get source unpacked nothing'])[0]}")
    return tree


def _cmake_database(root: Path) -> Path | None:
    """compile_commands.json of a CMake build that was configured but not built."""
    build = root / "passformer-build"
    if not (root / "CMakeLists.txt").is_file() or not shutil.which("cmake"):
        return None
    command = ["cmake", "-S", str(root), "-B", str(build), "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    database = build / "compile_commands.json"
    if _runs(command, root) and database.is_file():
        return database
    shutil.rmtree(build, ignore_errors=True)  # CMake's own test programs are not the package's
    return None


def _configure(root: Path) -> list[Path]:
    """The folders with a config.h after ./configure, also where it fails half-way."""
    if (root / "configure").is_file():
        _runs(["sh", "./configure"], root)
    return sorted({path.parent for path in root.rglob("config.h") if path.is_file()})


def _compiler() -> dict[str, str]:
    """Ours, where the machine has none."""
    return {} if shutil.which("cc") else {"CC": str(find_toolchain().clang)}


def _runs(command: Sequence[str], folder: Path) -> bool:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **_compiler()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CONFIGURE_SECONDS,
        )
    except (subprocess.TimeoutExpired, OSError):
        return False
    return done.returncode == 0
