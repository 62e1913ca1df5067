"""One compilation to an object: taken from the cache, or made by clang and then made smaller by the server.

clang's own output and exit status are the user's; whatever goes wrong here, clang's object stays, and the log gets one
row that says why.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from passformer.build import cache, log
from passformer.llvm.locate import find_toolchain

TYPE_CHECKING = False  # see __main__
if TYPE_CHECKING:
    import socket
    from typing import Any

_START_SECONDS = 10.0
_STDERR = 2
_LONGEST_SAID = 1 << 17
"""Bytes of messages that are worth remembering."""


def compile_smaller(compiler: Sequence[str], options: Sequence[str], budget: int, function_budget: int) -> int:
    """The exit status of the compilation."""
    folder, lock = cache.cache_folder(), Path.cwd() / os.environ.get("PASSFORMER_LOCK", "")
    rest = (str(budget), str(function_budget), server_version(), _contents(lock))
    key = cache.key_of(compiler, options, dict(os.environ), *rest)
    entry = cache.find(folder, key) if folder else None
    if folder and entry and _stands_in(entry) and _deliver(folder, entry):
        return 0
    begun = time.time_ns()
    status, said = run(compiler, options)
    if status == 0 and not (folder and entry and _deliver(folder, entry, beside=True)):
        request = {
            "clang": compiler[0],
            "arguments": [*compiler[1:], *options],
            "folder": str(Path.cwd()),
            "environment": dict(os.environ),
            "budget": budget,
            "function_budget": function_budget,
            "lock": str(lock) if lock.is_file() else "",
            "log": str(log.log_path()),
            "cache": str(folder or ""),
            "key": key,
            "begun": begun,
            "said": said,
        }
        try:
            ask(request)
        except (OSError, ValueError, LookupError, TypeError) as error:
            _record({"output": f"{Path.cwd()}: {' '.join(options)}", "reason": str(error)}, [])
    return status


def run(compiler: Sequence[str], options: Sequence[str]) -> tuple[int, str | None]:
    """The compiler's exit status, and what it said: None where that went to a terminal, or is too much to remember.

    A signal that ended it ends this process too.
    """
    kept = None if os.isatty(_STDERR) else os.memfd_create("stderr")
    actions = [] if kept is None else [(os.POSIX_SPAWN_DUP2, kept, _STDERR)]
    pid = os.posix_spawn(compiler[0], [*compiler, *options], os.environ, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    said = None if kept is None else os.pread(kept, os.fstat(kept).st_size, 0)
    if said:
        _say(said)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        os.kill(os.getpid(), -code)
    return code, None if said is None or len(said) > _LONGEST_SAID else said.decode(errors="surrogateescape")


def ask(request: dict[str, Any]) -> None:
    """Let the server look for a smaller object, and put it in the place of clang's."""
    from passformer.build.protocol import receive, send

    with connect() as connection:
        send(connection, request)
        reply = receive(connection)
        if reply["replacement"]:
            Path(reply["replacement"]).replace(reply["output"])
        with contextlib.suppress(OSError):
            connection.sendall(b"{}\n")


def connect() -> socket.socket:
    """A connection to the server, which is started if it does not run. Raises OSError where that does not help."""
    from passformer.build.protocol import socket_path

    path = socket_path(server_version())
    connection = _try(path)
    if connection is None:
        start_server(path)
        deadline = time.monotonic() + _START_SECONDS
        while connection is None and time.monotonic() < deadline:
            time.sleep(0.05)
            connection = _try(path)
    if connection is None:
        raise TimeoutError("the background server does not start")
    return connection


def server_version() -> str:
    """What a server must match to be used, and an entry of the cache to be taken: this code, and the LLVM in use."""
    package = Path(__file__).parent.parent
    rooms = ("build", "llvm", "methods", "autotune/coresets")
    code = max(entry.stat().st_mtime_ns for room in rooms for entry in os.scandir(package / room))
    return cache.digest(f"{package} {code} {find_toolchain().library} {sys.prefix}".encode())[:16]


def start_server(path: str) -> None:
    """In a session of its own, without our terminal."""
    nothing = os.open(os.devnull, os.O_RDWR)
    command = [sys.executable, "-m", "passformer.build.server", path]
    files = [(os.POSIX_SPAWN_DUP2, nothing, number) for number in range(3)]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=files, setsid=True)
    os.close(nothing)


def _stands_in(entry: dict[str, Any]) -> bool:
    """Whether clang need not run: it would say nothing, or what is known, and to no terminal, where it has colours."""
    return entry["said"] == "" or (entry["said"] is not None and not os.isatty(_STDERR))


def _say(text: bytes) -> None:
    with contextlib.suppress(OSError), open(_STDERR, "wb", closefd=False) as stderr:
        stderr.write(text)


def _deliver(folder: Path, entry: dict[str, Any], beside: bool = False) -> bool:
    """Put the object (and, unless clang has run `beside`, all else of it) where it belongs; False where it is lost."""
    try:
        files = [(entry["output"], cache.read(folder, entry["object"]))]
        if entry["depfile"] and not beside:
            files.append((entry["depfile"], cache.read(folder, entry["dependencies"])))
        for path, data in files:
            cache.put(Path(path), data)
    except OSError:
        return False
    if entry["said"] and not beside:
        _say(entry["said"].encode(errors="surrogateescape"))
    _record(entry["row"], entry["functions"])
    return True


def _record(row: dict[str, Any], functions: list[list[Any]]) -> None:
    with contextlib.suppress(OSError):  # nowhere is left to say it
        log.record(log.log_path(), row, functions)


def _contents(lock: Path) -> str:
    return f"{lock} {cache.digest(lock.read_bytes())}" if lock.is_file() else ""


def _try(path: str) -> socket.socket | None:
    import socket

    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    return connection
