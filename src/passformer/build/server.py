"""The background server of one user: holds LLVM ready, and makes smaller objects for wrappers that ask.

It is started by the first wrapper that needs it, serves connections of the same user only, and ends when nobody has
asked for a while. It never writes over an object: it puts the smaller one beside it, and the wrapper, if it still
lives, renames that.
"""

import contextlib
import os
import shlex
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from functools import cache as memoised
from pathlib import Path
from typing import Any

from passformer.autotune.coreset import shipped_coreset
from passformer.autotune.neighbours import count_opcodes, shipped_neighbours
from passformer.build import cache, log
from passformer.build.arguments import Compilation, compilation_of
from passformer.build.protocol import receive, send
from passformer.build.recipe import Recipe, read_lock
from passformer.build.shrink import Choices, FrontEnd, NotShrunk, Shrunk, read_source, shrink
from passformer.llvm.errors import PassformerError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.methods.method import available

IDLE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Request:
    """One object that clang has just made."""

    clang: str
    """The compiler that made it."""
    arguments: list[str]
    """Without the compiler."""
    folder: str
    """Where it ran."""
    environment: dict[str, str]
    budget: int
    """Pass lists to try on the module."""
    function_budget: int
    """And then on each of its functions."""
    lock: str
    """A lock file, empty where there is none."""
    log: str
    cache: str
    """The cache's folder, empty where it is not used."""
    key: str
    """Of the command, in the cache."""
    begun: int
    """When the compiler was started (ns)."""
    said: str | None
    """By the compiler; None where a terminal got it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of it."""

    replacement: str
    """A smaller object, beside the one that it is to replace; empty where there is none."""
    output: str
    """The object, as an absolute path."""


class Server:
    """Listens on a socket until it has been idle for long enough."""

    def __init__(self, path: str, idle_seconds: float = IDLE_SECONDS) -> None:
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
                _remove(self._path)

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.settimeout(60)
                if _user_of(connection) == os.getuid():
                    request = Request(**receive(connection))
                    connection.settimeout(None)
                    reply = self._pool.call(lambda sandbox: answer(request, sandbox))
                    send(connection, asdict(reply))
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
    """Make a smaller object for one that clang has made; what came of it goes to the log and the cache."""
    folder = Path(request.folder)
    row: dict[str, Any] = {"output": f"{folder}: {shlex.join(request.arguments)}"}
    functions: list[list[Any]] = []
    replacement = ""
    try:
        compilation, warned = ask_clang(request)
        output, source = folder / compilation.output, folder / compilation.source
        row |= {"output": str(output), "source": str(source)}
        if not output.is_file():
            raise NotShrunk("the object is no file")
        llvm = find_toolchain().major
        if major_of(request.clang) != llvm:
            raise NotShrunk(f"{request.clang} is not clang {llvm}, the version of the libLLVM in use")
        read = read_source(compilation, folder, request.environment)
        choices = _choices(request, str(output), read.bitcode, llvm, sandbox)
        found = shrink(compilation, folder, read, choices, llvm, sandbox, request.environment)
        row |= {
            "recipe": "" if found.object is None else found.recipe.to_json(),
            "plain_text": found.plain.text_bytes,
            "text": found.result.text_bytes,
            "plain_others": found.plain.others,
            "others": found.result.others,
            "tried": found.tried,
            "seconds": round(found.seconds, 4),
            "reason": "",
        }
        names = {**found.plain.functions, **found.result.functions}
        functions = [[n, found.plain.functions.get(n, 0), found.result.functions.get(n, 0)] for n in names]
        silent = "" if read.silent and not warned else None
        said = silent if request.said is None else request.said
        _remember(request, compilation, read, said, found, row, functions)
        if found.object is not None:
            replacement = _put_beside(output, found.object)
    except (NotShrunk, PassformerError, OSError) as error:
        row["reason"] = str(error) or repr(error)
    with contextlib.suppress(OSError):
        log.record(Path(request.log), row, functions)
    return Reply(replacement, str(row["output"]))


def ask_clang(request: Request) -> tuple[Compilation, bool]:
    """What clang would run, and whether the driver has something to say; raises NotShrunk for what is not ours."""
    command = [request.clang, "-###", *request.arguments]
    done = subprocess.run(command, cwd=request.folder, env=request.environment, capture_output=True)
    answer = done.stderr.decode(errors="surrogateescape")
    compilation = compilation_of(answer) if done.returncode == 0 else None
    if compilation is None:
        raise NotShrunk("not one C or C++ file to one object, or with options that need clang's own pipeline")
    return compilation, "warning:" in answer or "Configuration file:" in answer


def _put_beside(output: Path, data: bytes) -> str:
    """A file beside the object, with its permissions, which the wrapper can put in its place at once."""
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    os.close(handle)
    try:
        Path(name).write_bytes(data)
        Path(name).chmod(output.stat().st_mode & 0o777)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return name


def _remember(
    request: Request,
    compilation: Compilation,
    read: FrontEnd,
    said: str | None,
    found: Shrunk,
    row: dict[str, Any],
    functions: list[list[Any]],
) -> None:
    """Put the object into the cache, the smaller or clang's own."""
    if not request.cache:
        return
    folder = Path(request.folder)
    output = folder / compilation.output
    entry = {"output": str(output), "depfile": "", "said": said, "row": row, "functions": functions}
    blobs = {"object": output.read_bytes() if found.object is None else found.object}
    if compilation.depfile:
        entry["depfile"] = str(folder / compilation.depfile)
        blobs["dependencies"] = (folder / compilation.depfile).read_bytes()
    with contextlib.suppress(OSError):  # a full disk is clang's to report
        if cache.store(Path(request.cache), request.key, entry, read.files, request.begun, blobs):
            cache.trim_at_times(Path(request.cache))


@memoised
def major_of(clang: str) -> int | None:
    """The major version of a clang; None where it is none."""
    done = subprocess.run([clang, "-dumpversion"], capture_output=True, text=True)
    return int(done.stdout.split(".")[0]) if done.stdout[:1].isdigit() else None


def _choices(request: Request, output: str, bitcode: bytes, llvm: int, sandbox: Sandbox) -> Choices:
    if request.lock:
        return Choices((), (), read_lock(Path(request.lock), llvm).get(output, Recipe()))
    lists = shipped_neighbours("text").rank(count_opcodes(bitcode, sandbox), thrifty=True)
    functions = shipped_coreset("functions").pass_lists
    return Choices(
        [p for p in lists if available(p, llvm)][: request.budget],
        [p for p in functions if available(p, llvm)][: request.function_budget],
    )


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        Path(path).unlink()


def _bind(listener: socket.socket, path: str) -> bool:
    """False where a living server has the socket; one that a dead server left is taken over."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(path)
        return False
    _remove(path)
    try:
        listener.bind(path)
    except OSError:  # another one was quicker
        return False
    Path(path).chmod(0o600)
    return True


def _user_of(connection: socket.socket) -> int:
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(user)


if __name__ == "__main__":
    Server(sys.argv[1]).serve()
