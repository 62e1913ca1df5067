"""How the wrapper and the server of one user talk: a line of JSON each way over a Unix socket.

Imports nothing but the standard library, and little of that: every compilation of a build pays for it. A request is
what `client.compile_smaller` sends and `server.Request` receives; a reply is `server.Reply`.
"""

import json
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LONGEST = 1 << 20
"""Bytes of a line."""


def socket_path(version: str) -> str:
    """Where the user's server of this version listens, in a folder that nobody else may enter.

    Raises OSError where the folder is someone else's.
    """
    base = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/passformer-{os.getuid()}"
    folder = Path(base) / "passformer"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or not stat.S_ISDIR(facts.st_mode) or facts.st_mode & 0o077:
        raise PermissionError(f"{folder} belongs to someone else, or lets others in")
    return str(folder / f"{version}.sock")


def send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    """One line."""
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive(connection: socket.socket) -> dict[str, Any]:
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
