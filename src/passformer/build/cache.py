"""Objects that were made before, by what they were made from: a second build takes them without compiling anything.

As ccache's direct mode does it: the command line, the compiler and the folder name a file of entries, and an entry
holds where every file that the front-end read hashes to the same. What is never kept: objects of sources that tell
the time, of files that changed while they were compiled, or that include binary data by the assembler.

    FOLDER/aa/KEY.json     entries of one command, the newest first
    FOLDER/aa/DIGEST       an object or a depfile

Files appear whole (by renaming), so that builds at once do not disturb each other. Only light imports: the wrapper
looks here before it does anything else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

TYPE_CHECKING = False  # see __main__
if TYPE_CHECKING:
    from typing import Any

ENTRIES = 8
"""Versions of the sources that are remembered for one command."""
DEFAULT_MIB = 1024
_calls = 0
_TELLS_TIME = (b"__DATE__", b"__TIME__", b"__TIMESTAMP__", b".incbin")
_SEARCHED = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "SOURCE_DATE_EPOCH", "COMPILER_PATH", "GCC_EXEC_PREFIX")
"""Variables that clang reads."""


def cache_folder() -> Path | None:
    """The user's; None where `PASSFORMER_CACHE=0` turns the cache off. Any other value is the folder."""
    chosen = os.environ.get("PASSFORMER_CACHE", "")
    if chosen:
        return None if chosen == "0" else Path.cwd() / chosen
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "passformer" / "objects"


def key_of(compiler: Sequence[str], options: Sequence[str], environment: dict[str, str], *more: str) -> str:
    """32 hex digits for a command in the current folder; `more` is what else the object depends on."""
    facts = Path(compiler[0]).stat()
    parts = [*compiler, str(facts.st_size), str(facts.st_mtime_ns), str(Path.cwd()), *more]
    parts += [f"{name}={environment.get(name)}" for name in _SEARCHED]
    return digest("\0".join([*parts, "", *options]).encode())


def find(folder: Path, key: str) -> dict[str, Any] | None:
    """The entry whose files are all as they were; None where there is none."""
    try:
        entries = json.loads(_place(folder, f"{key}.json").read_bytes())
        known: dict[str, str] = {}
        return next((entry for entry in entries if _is_fresh(entry["files"], known)), None)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def read(folder: Path, name: str) -> bytes:
    """What was stored; raises OSError where it is gone or damaged."""
    path = _place(folder, name)
    data = path.read_bytes()
    if digest(data) != name:
        raise OSError(f"{path} is damaged")
    os.utime(path)  # what is used stays longest
    return data


def store(
    folder: Path, key: str, entry: dict[str, Any], files: Iterable[str], begun: int, blobs: dict[str, bytes]
) -> bool:
    """Keep an entry, and `blobs` whose digests are put into it by name.

    It holds as long as all `files` (absolute paths) are as they are. `begun` (ns) is when the compiler was started.
    Returns False for what cannot be kept. Raises OSError where the place cannot be written.
    """
    hashed = []
    for path in sorted(set(files)):
        facts, data = Path(path).stat(), Path(path).read_bytes()
        if facts.st_mtime_ns >= begun or facts.st_ctime_ns >= begun or any(word in data for word in _TELLS_TIME):
            return False
        hashed.append([path, len(data), digest(data)])
    for name, data in blobs.items():
        entry[name] = digest(data)
        _write(_place(folder, entry[name]), data)
    entry["files"] = hashed
    place = _place(folder, f"{key}.json")
    try:
        earlier = [e for e in json.loads(place.read_bytes()) if e["files"] != hashed]
    except (OSError, ValueError, LookupError, TypeError):
        earlier = []
    _write(place, json.dumps([entry, *earlier[: ENTRIES - 1]]).encode())
    return True


def trim_at_times(folder: Path) -> None:
    """`trim` to the limit, at every hundredth call in a process."""
    global _calls
    _calls += 1
    if _calls % 100 == 1:
        trim(folder, limit())


def trim(folder: Path, limit_bytes: int) -> None:
    """Remove what was not used for longest, until nine tenths of the limit are left; nothing below the limit."""
    found = []
    for path in folder.glob("*/*"):
        with contextlib.suppress(OSError):  # another one was quicker
            facts = path.stat()
            found.append((facts.st_mtime_ns, facts.st_size, path))
    total = sum(size for _, size, _ in found)
    if total <= limit_bytes:
        return
    for _, size, path in sorted(found):
        if total <= limit_bytes * 9 // 10:
            return
        path.unlink(missing_ok=True)
        total -= size


def limit() -> int:
    """Bytes that the cache may take, from `PASSFORMER_CACHE_SIZE` (MiB)."""
    text = os.environ.get("PASSFORMER_CACHE_SIZE", "")
    return (int(text) if text.isdigit() else DEFAULT_MIB) << 20


def put(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all, with the permissions of any new file."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{id(data)}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def digest(data: bytes) -> str:
    """32 hex digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _is_fresh(files: list[list[Any]], known: dict[str, str]) -> bool:
    for path, size, hashed in files:
        if path not in known:
            try:
                data = Path(path).read_bytes()
                known[path] = f"{len(data)} {digest(data)}"
            except OSError:
                known[path] = "gone"
        if known[path] != f"{size} {hashed}":
            return False
    return True


def _place(folder: Path, name: str) -> Path:
    return folder / name[:2] / name


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, data)
