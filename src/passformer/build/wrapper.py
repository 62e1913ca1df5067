"""`passformer cc`: clang does its work, with its own output and exit status; then a server may have a smaller object.

Whatever goes wrong here, clang's object stays, and one line goes to the log. Nothing heavy is imported: a build starts
this once a file.
"""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from passformer.build.arguments import may_be_ours
from passformer.build.protocol import Reply, Request, receive, send, socket_path
from passformer.llvm.errors import PassformerError
from passformer.llvm.locate import find_toolchain

DEFAULT_BUDGET = 4
_START_SECONDS = 10.0


def main(arguments: Sequence[str], cxx: bool = False) -> NoReturn:
    """Run a compiler command line: options alone, or a compiler and its options (as a launcher of CMake's)."""
    try:
        compiler, options = compiler_of(arguments, cxx)
    except PassformerError as error:
        print(f"passformer: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if not may_be_ours(options) or os.environ.get("PASSFORMER_BUDGET") == "0":
        _become(compiler, options)
    status = run(compiler, options)
    if status == 0:
        try:
            reply = ask(Request(compiler[0], (*compiler[1:], *options), str(Path.cwd()), dict(os.environ), budget()))
            if reply.reason:
                log(reply.reason)
        except (OSError, ValueError, TypeError) as error:
            log(str(error))
    sys.exit(status)


def compiler_of(arguments: Sequence[str], cxx: bool) -> tuple[list[str], list[str]]:
    """(the compiler, its options): the command line's own, or our clang. Raises InputError where there is none."""
    if arguments and not arguments[0].startswith(("-", "@")) and "clang" in Path(arguments[0]).name:
        found = _which(arguments[0])
        if found:
            return [found], list(arguments[1:])
    clang = str(find_toolchain().clang)
    return [clang, "--driver-mode=g++"] if cxx else [clang], list(arguments)


def run(compiler: Sequence[str], options: Sequence[str]) -> int:
    """The compiler's exit status; a signal that ended it ends this process too."""
    pid = os.posix_spawn(compiler[0], [*compiler, *options], os.environ)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        os.kill(os.getpid(), -code)
    return code


def ask(request: Request) -> Reply:
    """Let the server look for a smaller object, and put it in the place of clang's."""
    with connect() as connection:
        send(connection, request)
        reply = Reply(**receive(connection))  # type: ignore[arg-type]
        if reply.replacement:
            Path(reply.replacement).replace(reply.output)
        with contextlib.suppress(OSError):
            connection.sendall(b"{}\n")
        return reply


def connect() -> socket.socket:
    """A connection to the server, which is started if it does not run. Raises OSError where that does not help."""
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
    """What a server must match to be used: this code, and the LLVM in use."""
    import hashlib

    code = max(file.stat().st_mtime_ns for file in Path(__file__).parent.glob("*.py"))
    facts = f"{Path(__file__)} {code} {find_toolchain().library} {sys.prefix}"
    return hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()


def start_server(path: Path) -> None:
    """In a session of its own, without our terminal."""
    nothing = os.open(os.devnull, os.O_RDWR)
    command = [sys.executable, "-m", "passformer.build.server", str(path)]
    files = [(os.POSIX_SPAWN_DUP2, nothing, number) for number in range(3)]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=files, setsid=True)
    os.close(nothing)


def budget() -> int:
    """Pass lists to try a file, from the environment."""
    text = os.environ.get("PASSFORMER_BUDGET", "")
    return int(text) if text.isdigit() else DEFAULT_BUDGET


def log(line: str) -> None:
    """One line in the file that PASSFORMER_LOG names, if it names one."""
    if name := os.environ.get("PASSFORMER_LOG"):
        with contextlib.suppress(OSError), Path(name).open("a") as file:
            file.write(f"{' '.join(line.split())}\n")


def _try(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    return connection


def _become(compiler: Sequence[str], options: Sequence[str]) -> NoReturn:
    os.execv(compiler[0], [*compiler, *options])


def _which(name: str) -> str | None:
    import shutil

    return shutil.which(name)
