"""How the wrapper and the server of one user talk: a line of JSON each way over a Unix socket.

Imports nothing but the standard library, and little of that: every compilation of a build pays for it.
"""

import json
import os
import socket
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

_LONGEST = 1 << 20
"""Bytes of a line."""


@dataclass(frozen=True, slots=True)
class Request:
    """One object that clang has just made."""

    clang: str
    """The compiler that made it."""
    arguments: tuple[str, ...]
    """Without the compiler."""
    folder: str
    """Where it ran."""
    environment: dict[str, str]
    budget: int
    """Pass lists to try."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of it."""

    replacement: str = ""
    """A smaller object, beside the one that it is to replace; empty where there is none."""
    output: str = ""
    """The object, as an absolute path."""
    reason: str = ""
    """Why nothing was done; empty where something was tried."""


def socket_path(version: str) -> Path:
    """Where the user's server of this version listens, in a folder that nobody else may enter.

    Raises OSError where the folder is someone else's.
    """
    base = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/passformer-{os.getuid()}"
    folder = Path(base) / "passformer"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or not stat.S_ISDIR(facts.st_mode) or facts.st_mode & 0o077:
        raise PermissionError(f"{folder} belongs to someone else, or lets others in")
    return folder / f"{version}.sock"


def send(connection: socket.socket, message: Request | Reply) -> None:
    """One line."""
    connection.sendall(json.dumps(asdict(message)).encode() + b"\n")


def receive(connection: socket.socket) -> dict[str, object]:
    """One line; raises ConnectionError where the other side has gone, ValueError where it sends nonsense."""
    data = b""
    while not data.endswith(b"\n"):
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("the other side has gone")
        data += part
        if len(data) > _LONGEST:
            raise ValueError("a message is too long")
    message = json.loads(data)
    if not isinstance(message, dict):
        raise ValueError("a message is no object")
    return message
