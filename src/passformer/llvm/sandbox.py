"""Run code that calls LLVM in child processes, so that no crash, abort, hang or memory blow-up reaches the caller.

A `Sandbox` is one child. It prepares something once (a parsed module, say) and then does many items with it; when an
item kills the child, that item's result is a `Failure` that says how, a new child takes the place of the old one, and
the remaining items go on. A `Pool` is a sandbox a thread, and gives results in order while they come in.
Why not multiprocessing.Pool: it waits for ever on the task of a killed worker.

What this does not protect against: a pass that changes what the program means (see `verify`), and hostile input: the
child runs with the user's rights.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import Any, Literal, Self, TypeVar

from passformer.llvm.errors import CompilerError, PassformerError
from passformer.llvm.locate import find_toolchain

A = TypeVar("A")
R = TypeVar("R")
S = TypeVar("S")
_CPU_CLOCK = 2
"""Linux: the clock of another process's CPU time has the number (~pid << 3) | 2 (see clock_getcpuclockid(3))."""
Prepare = Callable[[S], contextlib.AbstractContextManager[Callable[[A], R]]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may use before its worker is ended."""

    cpu_seconds: float = 10.0
    """CPU time, not wall time: a busy machine must not turn a slow item into a timeout."""
    memory_mib: int = 4096
    """Address space of the worker."""

    @property
    def wall_seconds(self) -> float:
        """Back-stop for an item that waits instead of computing."""
        return 10 * self.cpu_seconds + 10


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that has no result, and why."""

    kind: Literal["crash", "timeout", "memory", "refused"]
    """`refused`: LLVM said no and the worker lived on (unknown pass, invalid module)."""
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class SetupError(Exception):
    """What all items share could not be prepared (an unreadable module, say); the message is LLVM's."""


class Sandbox:
    """One worker process, started at first use and replaced when it dies. For one thread at a time."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the sandbox)
        fcntl.fcntl(self._stderr, fcntl.F_SETFL, os.O_APPEND)  # so that it can be emptied while the worker writes
        self._prepared: tuple[Any, Any] | None = None
        """What the worker holds ready: (prepare, shared)."""
        self._closed = False

    def call(self, function: Callable[[A], R], argument: A) -> R | Failure:
        """`function(argument)` in the worker. The function must be importable there (module level)."""
        return next(self.map(_as_is, function, [argument]))

    def map(self, prepare: Prepare[S, A, R], shared: S, items: Sequence[A]) -> Iterator[R | Failure]:
        """Results of the items in order, as they come: in the worker, `with prepare(shared) as do: do(item)` for each.

        The worker keeps what it prepared: a following call with an equal `prepare` and `shared` goes on with it, and
        after a crash it is prepared again. Raises SetupError where `prepare` itself fails.
        """
        done, in_step = 0, True  # in step: nothing that the worker still sends belongs to this call
        try:
            while done < len(items):
                connection = self._ready()
                in_step = False
                try:
                    known = self._prepared == (prepare, shared)
                    connection.send((None if known else (prepare, shared), items[done:]))
                    setup = self._receive(connection)
                except (EOFError, OSError):
                    raise SetupError(str(self._bury())) from None
                if setup is not None:
                    self._prepared, in_step = None, True
                    raise SetupError(setup)
                self._prepared = prepare, shared
                while done < len(items):
                    try:
                        result = self._receive(connection)
                    except (EOFError, OSError):
                        result = self._bury()
                    done += 1
                    in_step = done == len(items) or self._process is None
                    yield result
                    if self._process is None:
                        break
        finally:
            if not in_step:
                self.kill()

    def version(self) -> dict[str, Any]:
        """What the worker loaded: `library` (path), `version`, `targets`."""
        result = self.call(_describe_library, None)
        if isinstance(result, Failure):
            raise CompilerError(f"libLLVM cannot be loaded: {result}")
        return result

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the present worker so far; 0 where there is none."""
        return time.clock_gettime((~self._process.pid << 3) | _CPU_CLOCK) if self._process else 0.0

    def kill(self) -> None:
        """End the worker now; the next item starts a new one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = self._prepared = None

    def close(self) -> None:
        """End the worker for good. May be called from another thread to stop what runs."""
        self._closed = True
        if self._process is not None:
            self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
        self.kill()
        self._stderr.close()

    def _ready(self) -> "Connection[Any, Any]":
        if self._closed:
            raise PassformerError("the sandbox is closed")
        if self._connection is None:
            find_toolchain()  # a missing LLVM is reported here, in the parent, as what it is
            ours, theirs = Pipe()
            command = [sys.executable, "-c", "from passformer.llvm.worker import main; main()"]
            arguments = [theirs.fileno(), self.limits.cpu_seconds, self.limits.memory_mib]
            self._process = subprocess.Popen(
                [*command, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                pass_fds=[theirs.fileno()],
            )
            theirs.close()
            self._connection = ours
            if self._closed:  # while the worker came up: `close` has not seen it
                self.close()
        os.ftruncate(self._stderr.fileno(), 0)
        return self._connection

    def _receive(self, connection: "Connection[Any, Any]") -> Any:
        if not connection.poll(self.limits.wall_seconds):
            assert self._process is not None
            self._process.send_signal(signal.SIGVTALRM)  # reported as the timeout that it is
        return connection.recv()

    def _bury(self) -> Failure:
        """Say how the worker died, and make room for the next."""
        assert self._process is not None
        status = self._process.wait()
        self.kill()
        if self._closed:
            raise PassformerError("the sandbox is closed")
        stderr = os.pread(self._stderr.fileno(), 1 << 20, 0).decode(errors="replace").strip()
        last_words = next((line for line in stderr.splitlines() if "LLVM ERROR" in line or "what():" in line), "")
        last_words = " ".join((last_words or stderr.rpartition("\n")[2]).split())[:200]
        if status == -signal.SIGVTALRM or status == -signal.SIGPROF:
            return Failure("timeout", f"over {self.limits.cpu_seconds:g} CPU-seconds")
        if any(sign in stderr for sign in ("out of memory", "bad_alloc", "Allocation failed", "MemoryError")):
            return Failure("memory", f"over {self.limits.memory_mib} MiB")
        ended = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return Failure("crash", f"{ended}: {last_words}" if last_words else ended)


class Pool:
    """Sandboxes, one a thread: `map` runs tasks on all of them and yields results in the order of the input."""

    def __init__(self, num_workers: int | None = None, limits: Limits = Limits()) -> None:
        self.num_workers = num_workers or len(os.sched_getaffinity(0))
        self._limits = limits
        self._executor = ThreadPoolExecutor(self.num_workers, thread_name_prefix="sandbox")
        self._local = threading.local()
        self._sandboxes: list[Sandbox] = []
        self._closed = False

    def map(self, task: Callable[[Sandbox, A], R], items: Iterable[A]) -> Iterator[R]:
        """`task(sandbox, item)` for each item, in parallel; items are taken as needed, a few ahead."""
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(self.submit(task, item))
                if len(pending) > 8 * self.num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def submit(self, task: Callable[[Sandbox, A], R], item: A) -> "Future[R]":
        """`task(sandbox, item)` on the next free sandbox."""
        return self._executor.submit(self._run, task, item)

    def call(self, task: Callable[[Sandbox], R]) -> R:
        """One task on any sandbox."""
        return self.submit(lambda sandbox, _: task(sandbox), None).result()

    def close(self) -> None:
        """End all workers, at once."""
        self._closed = True
        for sandbox in self._sandboxes:
            sandbox.close()
        self._executor.shutdown(cancel_futures=True)
        for sandbox in self._sandboxes:
            sandbox.__exit__()
        self._sandboxes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _run(self, task: Callable[[Sandbox, A], R], item: A) -> R:
        if not hasattr(self._local, "sandbox"):
            self._local.sandbox = Sandbox(self._limits)
            self._sandboxes.append(self._local.sandbox)
            if self._closed:  # `close` has not seen this one
                self._local.sandbox.close()
        return task(self._local.sandbox, item)


@contextlib.contextmanager
def _as_is(function: Callable[[A], R]) -> Iterator[Callable[[A], R]]:
    yield function


def _describe_library(_: None) -> dict[str, Any]:
    from passformer.llvm.api import load  # in the worker only: this process must not load LLVM

    library = load()
    return {"library": library.path, "version": library.version, "targets": list(library.targets)}
