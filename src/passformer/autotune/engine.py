"""Where tasks run: sandboxes on this machine, or the workers of a Dask cluster, behind one call.

A task is `task(sandbox, item)`, importable and picklable; each thread of this process, or each Dask worker, has its own
sandbox.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from passformer.llvm.errors import InputError
from passformer.llvm.sandbox import Limits, Pool, Sandbox

A = TypeVar("A")
R = TypeVar("R")
Submit = Callable[[Callable[[Sandbox, A], R], A], "Future[R]"]

_local = threading.local()


class Engine:
    """Runs tasks in parallel and yields results as they are done."""

    def __init__(self, submit: Submit[Any, Any], num_workers: int) -> None:
        self._submit = submit
        self.num_workers = num_workers

    def run(self, task: Callable[[Sandbox, A], R], items: Iterable[A]) -> Iterator[R]:
        """Results in the order of completion; items are taken as needed, a few ahead."""
        pending: set[Future[R]] = set()
        try:
            for item in items:
                pending.add(self._submit(task, item))
                while len(pending) >= 4 * self.num_workers:
                    finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        finally:
            for future in pending:
                future.cancel()


@contextlib.contextmanager
def local_engine(num_workers: int | None, limits: Limits) -> Iterator[Engine]:
    """Sandboxes of this machine, one a core unless told otherwise."""
    with Pool(num_workers, limits) as pool:
        yield Engine(pool.submit, pool.num_workers)


@contextlib.contextmanager
def dask_engine(scheduler: str | None, limits: Limits) -> Iterator[Engine]:
    """The workers of a Dask cluster at `scheduler` (`tcp://host:port`), or of a new one on this machine.

    Each worker needs passformer and the same LLVM. Raises InputError where Dask or the scheduler is missing.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError("the dask engine needs Dask: pip install 'passformer[dask]'") from None
    try:
        client = Client(scheduler, timeout=10) if scheduler else Client(threads_per_worker=1, dashboard_address=None)
    except OSError as error:
        raise InputError(f"no Dask scheduler answers at {scheduler}: {error}") from None
    with client, client.get_executor(pure=False) as executor:
        num_workers = sum(client.nthreads().values())
        yield Engine(lambda task, item: executor.submit(_run_with_own_sandbox, task, item, limits), num_workers)


def _run_with_own_sandbox(task: Callable[[Sandbox, A], R], item: A, limits: Limits) -> R:
    """In a Dask worker: its thread's sandbox lives as long as the worker."""
    if not hasattr(_local, "sandbox"):
        _local.sandbox = Sandbox(limits)
    return task(_local.sandbox, item)
