"""The background server of one user: holds LLVM ready, and makes smaller objects for wrappers that ask.

It is started by the first wrapper that needs it, serves connections of the same user only, and ends when nobody has
asked for a while. It never writes over an object: it puts the smaller one beside it, and the wrapper, if it still
lives, renames that.
"""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

from passformer.autotune.coreset import shipped_coreset
from passformer.build.arguments import Compilation, compilation_of
from passformer.build.protocol import Reply, Request, receive, send
from passformer.build.shrink import NotShrunk, shrink
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import PassList
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.methods.method import available

IDLE_SECONDS = 300.0


class Server:
    """Listens on a socket until it has been idle for long enough."""

    def __init__(self, path: Path, idle_seconds: float = IDLE_SECONDS) -> None:
        self._path = path
        self._idle = idle_seconds
        self._last = time.monotonic()
        self._busy = 0
        self._lock = threading.Lock()
        self._pool = Pool()

    def serve(self) -> None:
        """Until idle. Returns at once where another server has the socket."""
        with socket.socket(socket.AF_UNIX) as listener, self._pool:
            if not _bind(listener, self._path):
                return
            listener.listen(128)
            listener.settimeout(1.0)
            try:
                while self._is_wanted():
                    with contextlib.suppress(TimeoutError):
                        connection, _ = listener.accept()
                        self._count(1)
                        threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
            finally:
                self._path.unlink(missing_ok=True)

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.settimeout(60)
                if _user_of(connection) == os.getuid():
                    request = Request(**receive(connection))  # type: ignore[arg-type]
                    connection.settimeout(None)
                    reply = self._pool.call(lambda sandbox: answer(request, sandbox))
                    send(connection, reply)
                    with contextlib.suppress(OSError, ValueError):
                        receive(connection)  # the wrapper says that it has taken the replacement, or goes away
                    if reply.replacement:
                        Path(reply.replacement).unlink(missing_ok=True)
            except (OSError, ValueError, TypeError):
                pass  # a wrapper that has gone, or something that is none
            finally:
                self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._busy += change
            self._last = time.monotonic()

    def _is_wanted(self) -> bool:
        with self._lock:
            return self._busy > 0 or time.monotonic() - self._last < self._idle


def answer(request: Request, sandbox: Sandbox) -> Reply:
    """Make a smaller object for one that clang has made."""
    folder = Path(request.folder)
    compilation = ask_clang(request)
    if compilation is None:
        return Reply(reason="not one C or C++ file to one object, or with options that need clang's own pipeline")
    llvm = find_toolchain().major
    if major_of(request.clang) != llvm:
        return Reply(reason=f"{request.clang} is not clang {llvm}, the version of the libLLVM in use")
    output = folder / compilation.output
    try:
        found = shrink(compilation, folder, _lists(request.budget, llvm), llvm, sandbox, request.environment)
    except (NotShrunk, OSError) as error:
        return Reply(output=str(output), reason=str(error))
    if found.object is None:
        return Reply(output=str(output))
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    os.close(handle)
    replacement = Path(name)
    try:
        replacement.write_bytes(found.object)
        replacement.chmod(output.stat().st_mode & 0o777)
    except OSError as error:
        replacement.unlink(missing_ok=True)
        return Reply(output=str(output), reason=str(error))
    return Reply(name, str(output))


def ask_clang(request: Request) -> Compilation | None:
    """What clang would run."""
    command = [request.clang, "-###", *request.arguments]
    done = subprocess.run(command, cwd=request.folder, env=request.environment, capture_output=True, text=True)
    return compilation_of(done.stderr) if done.returncode == 0 else None


@cache
def major_of(clang: str) -> int | None:
    """The major version of a clang; None where it is none."""
    done = subprocess.run([clang, "-dumpversion"], capture_output=True, text=True)
    return int(done.stdout.split(".")[0]) if done.stdout[:1].isdigit() else None


def _lists(budget: int, llvm: int) -> list[PassList]:
    return [p for p in shipped_coreset("text").pass_lists if available(p, llvm)][:budget]


def _bind(listener: socket.socket, path: Path) -> bool:
    """False where a living server has the socket; one that a dead server left is taken over."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))
        return False
    path.unlink(missing_ok=True)
    try:
        listener.bind(str(path))
    except OSError:  # another one was quicker
        return False
    path.chmod(0o600)
    return True


def _user_of(connection: socket.socket) -> int:
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(user)


if __name__ == "__main__":
    Server(Path(sys.argv[1])).serve()
