"""Whole episodes inside one sandbox worker, where a step takes no message from process to process."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from passformer.baselines.autophase.agent import Policy
from passformer.baselines.autophase.environment import PassOrder
from passformer.llvm.errors import CompilerError
from passformer.llvm.module import LLVMError
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Failure, Prepare, Sandbox, SetupError

A = TypeVar("A")
R = TypeVar("R")
S = TypeVar("S")
P = ParamSpec("P")


def in_worker(
    sandbox: Sandbox,
    what: Callable[Concatenate[Policy, PassOrder, int, P], R],
    policy: Policy,
    ir: bytes,
    protocol: Protocol,
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """`what(policy, environment, 0, ...)` on an environment of this one function; what it raises is raised.

    The worker does it alone. Where that ends it, it is done again with a message a step: the environment then tells
    which passes LLVM did survive. `what` must be importable in the worker, and do the same when it is done again.
    """
    (outcome,) = sandbox.map(_player, policy, [(what, ir, protocol, args, kwargs)])
    if isinstance(outcome, Failure):
        env = PassOrder([ir], passes=policy.passes, protocol=protocol, sandbox=sandbox)
        return what(policy, env, 0, *args, **kwargs)
    result: R = outcome
    return result


@contextlib.contextmanager
def _player(policy: Policy) -> Iterator[Callable[[Any], Any]]:
    def play(item: tuple[Callable[..., Any], bytes, Protocol, tuple[Any, ...], dict[str, Any]]) -> Any:
        what, ir, protocol, args, kwargs = item
        with Here() as here:
            env = PassOrder([ir], passes=policy.passes, protocol=protocol, sandbox=here)
            try:
                return what(policy, env, 0, *args, **kwargs)
            except CompilerError as error:
                return Failure("refused", str(error))

    yield play


class Here:
    """In place of a `Sandbox` where the code runs in a worker already: all is done on the spot."""

    def __init__(self) -> None:
        self._prepared: tuple[Any, Any] | None = None
        self._do: Any = None
        self._stack = contextlib.ExitStack()

    def map(self, prepare: Prepare[S, A, R], shared: S, items: Sequence[A]) -> Iterator[R | Failure]:
        """As `Sandbox.map`."""
        if self._prepared != (prepare, shared):
            self.__exit__()
            try:
                self._do = self._stack.enter_context(prepare(shared))
            except LLVMError as error:
                raise SetupError(str(error)) from None
            self._prepared = prepare, shared
        for item in items:
            try:
                yield self._do(item)
            except LLVMError as error:
                yield Failure("refused", str(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._prepared = None
        self._stack.close()
