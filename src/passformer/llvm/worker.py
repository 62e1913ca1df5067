"""The sandbox's child process: receive (what to prepare, items), answer item by item until the parent hangs up.

The time limit is the kernel's own interval timer on CPU time: its signal ends the process in the middle of any pass,
which is the only way to stop LLVM.
"""

import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from passformer.llvm.module import LLVMError
from passformer.llvm.sandbox import Failure


def main() -> None:
    """Entry point: `worker FD CPU_SECONDS MEMORY_MIB`; ends when the other side of FD is closed."""
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    cpu_seconds, memory = float(sys.argv[2]), int(sys.argv[3]) << 20
    os.environ["OMP_NUM_THREADS"] = "1"  # there may be a worker a core: none must take them all for its numpy
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.disable()  # the worker makes no cycles, and collections would be timed as LLVM's work
    try:
        _serve(connection, cpu_seconds)
    except (EOFError, BrokenPipeError):
        os._exit(0)  # nothing to tear down: the parent is gone or done with us


def _serve(connection: "Connection[Any, Any]", cpu_seconds: float) -> None:
    context: Any = None
    do: Any = None
    while True:
        opening, items = connection.recv()
        _arm(cpu_seconds)
        if opening is not None:
            if context is not None:
                context.__exit__(None, None, None)
            prepare, shared = opening
            context = prepare(shared)
            try:
                do = context.__enter__()
            except LLVMError as error:
                context = None
                connection.send(str(error))
                continue
        connection.send(None)
        for item in items:
            _arm(cpu_seconds)
            connection.send(_result(do, item))
        _arm(0)


def _result(do: Callable[[Any], Any], item: Any) -> Any:
    try:
        return do(item)
    except LLVMError as error:
        return Failure("refused", str(error))
    except MemoryError:
        print("MemoryError", file=sys.stderr, flush=True)
        os._exit(1)


def _arm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
