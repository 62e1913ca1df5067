"""The sandbox's child process: receive (prepare, shared, items), answer item by item until the parent hangs up.

The time limit is the kernel's own interval timer on CPU time: its signal ends the process in the middle of any pass,
which is the only way to stop LLVM.
"""

import gc
import os
import resource
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from passformer.llvm.module import LLVMError
from passformer.llvm.sandbox import Failure


def main() -> None:
    """Entry point: `worker FD CPU_SECONDS MEMORY_MIB`; ends when the other side of FD is closed."""
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    cpu_seconds, memory = float(sys.argv[2]), int(sys.argv[3]) << 20
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.disable()  # the worker makes no cycles, and collections would be timed as LLVM's work
    try:
        while True:
            prepare, shared, items = connection.recv()
            _arm(cpu_seconds)
            _serve(connection, cpu_seconds, prepare, shared, items)
            _arm(0)
    except (EOFError, BrokenPipeError):
        os._exit(0)  # nothing to tear down: the parent is gone or done with us


def _serve(connection: "Connection[Any, Any]", cpu_seconds: float, prepare: Any, shared: Any, items: Any) -> None:
    try:
        context = prepare(shared)
        do = context.__enter__()
    except LLVMError as error:
        connection.send(str(error))
        return
    connection.send(None)
    for item in items:
        _arm(cpu_seconds)
        try:
            result = do(item)
        except LLVMError as error:
            result = Failure("refused", str(error))
        except MemoryError:
            print("MemoryError", file=sys.stderr, flush=True)
            os._exit(1)
        connection.send(result)
    context.__exit__(None, None, None)


def _arm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
