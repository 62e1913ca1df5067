"""Files that appear whole or not at all."""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from passformer.llvm.errors import InputError


def make_folder(path: Path) -> None:
    """The folder, and those above it; raises InputError where it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: the folder cannot be made: {error.strerror}") from None


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make the folder and work in it alone; raises InputError while another process does, and where it cannot be."""
    make_folder(folder)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{folder}: another process is at work there: wait for it, or end it") from None
        yield


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed at the end of the block, removed where the block fails.

    The file gets the permissions of any new file. Raises InputError where the place cannot be
    written, also on a full disk.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def claim(file: Path, wanted: Any, complaint: str) -> None:
    """Write down in `file`, as JSON, what a folder is for; raises InputError(complaint) where it says otherwise."""
    if not file.exists():
        with atomic(file) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1) + "\n")
    elif json.loads(file.read_text()) != json.loads(json.dumps(wanted)):
        raise InputError(complaint)
