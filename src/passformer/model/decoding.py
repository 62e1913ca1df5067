"""From a prompt to pass lists: constrained so that only legal lists can come out, the most probable first.

Best-first expansion, as in priority sampling (Grubisic et al., 2024): of all unexpanded continuations the most probable
is expanded next. It is deterministic, never proposes a list twice, and its first list is at least as probable as
what greedy decoding finds.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]


class LanguageModel(Protocol):
    """What decoding needs: logits of the next token, and a state to go on from."""

    def start(self, tokens: Sequence[int]) -> tuple[Logits, Any]:
        """(logits (V,), state) after a prompt."""

    def follow(self, state: Any, tokens: Sequence[int]) -> tuple[Logits, Any]:
        """(logits (V,), state) after more tokens; `state` itself stays as it was."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a pass list is written in tokens."""

    begin: tuple[int, ...]
    """What opens every answer."""
    passes: Mapping[int, tuple[str, ...]]
    """Token -> the passes that it stands for, mostly one, of all passes that may be proposed."""
    once: frozenset[str]
    """Passes that may stand in a list once only: the meta flags."""
    stop: int
    """The token that follows the last pass."""
    max_length: int = 16
    """Passes in a list."""

    @property
    def writes_lists(self) -> bool:
        """Whether some tokens stand for whole lists."""
        return any(len(names) > 1 for names in self.passes.values())

    def allowed(self, names: tuple[str, ...]) -> list[int]:
        """Tokens that may follow the passes of a list."""
        room, used = self.max_length - len(names), self.once.intersection(names)
        fitting = [t for t, more in self.passes.items() if len(more) <= room and used.isdisjoint(more)]
        return [*fitting, self.stop]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A pass list, its probability among all legal ones, and where an answer goes on from it."""

    names: tuple[str, ...]
    log_probability: float
    state: Any
    """After the stop token has been chosen, but not followed."""


def best_first(
    model: LanguageModel, prompt: Sequence[int], grammar: Grammar, num_lists: int, max_expansions: int | None = None
) -> list[Hypothesis]:
    """The `num_lists` most probable pass lists, in order; fewer, but one, where `max_expansions` calls find no more."""
    logits, state = model.start([*prompt, *grammar.begin])
    limit = max_expansions or 8 * num_lists + 16
    order = 0  # breaks ties the same way each time
    heap: list[tuple[float, int, tuple[str, ...], int, Any]] = []
    found: dict[tuple[str, ...], Hypothesis] = {}

    def push(names: tuple[str, ...], log_probability: float, logits: Logits, state: Any) -> None:
        nonlocal order
        allowed = grammar.allowed(names)
        scores = log_softmax(logits[allowed]).tolist()
        for token, score in zip(allowed, scores, strict=True):  # all: what is improbable may begin the best whole list
            heapq.heappush(heap, (-(log_probability + score), order, names, token, state))
            order += 1

    push((), 0.0, logits, state)
    expansions = 0
    while heap and len(found) < num_lists:
        cost, _, names, token, state = heapq.heappop(heap)
        if token == grammar.stop:
            found.setdefault(names, Hypothesis(names, -cost, state))  # there may be a less probable way to write it
            continue
        if expansions == limit:
            continue  # what is complete already may still be among the most probable
        expansions += 1
        names = (*names, *grammar.passes[token])
        logits, state = model.follow(state, [token])
        if expansions == limit and not found:  # a model that is sure of nothing: its best beginning has to do
            found[names] = Hypothesis(names, -cost, state)
        push(names, -cost, logits, state)
    return list(found.values())


def one_token_lists(model: LanguageModel, prompt: Sequence[int], grammar: Grammar) -> dict[tuple[str, ...], float]:
    """The lists that are one token, with its probability among all tokens that may open a list.

    One call of the model: that nothing follows the token is taken for granted.
    """
    logits, _ = model.start([*prompt, *grammar.begin])
    allowed = grammar.allowed(())
    chances = np.exp(log_softmax(logits[allowed])).tolist()
    return {grammar.passes[t]: chance for t, chance in zip(allowed, chances, strict=True) if t != grammar.stop}


def greedy(model: LanguageModel, state: Any, tokens: Sequence[int], end: int, max_tokens: int) -> list[int]:
    """The most probable token each time, after `tokens`, until `end` (which is left away) or `max_tokens`."""
    written: list[int] = []
    logits, state = model.follow(state, tokens)
    while len(written) < max_tokens:
        token = int(logits.argmax())
        if token == end:
            break
        written.append(token)
        logits, state = model.follow(state, [token])
    return written


def log_softmax(scores: Logits) -> npt.NDArray[np.float64]:
    """(N,) -> (N,)."""
    shifted = scores.astype(np.float64) - scores.max()
    result: npt.NDArray[np.float64] = shifted - math.log(np.exp(shifted).sum())
    return result
