"""Decoding on a model whose probabilities are known: order, legality, ties, limits."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passformer.model.decoding import Grammar, best_first, greedy, log_softmax, one_token_lists

GRAMMAR = Grammar(begin=(9,), passes={1: ("a",), 2: ("b",), 3: ("Oz",)}, once=frozenset({"Oz"}), stop=0, max_length=3)
VOCABULARY = 10


class TableModel:
    """Logits that depend on the tokens so far, drawn once; the state is those tokens."""

    def __init__(self, seed: int, flat: bool = False) -> None:
        self.seed, self.flat, self.calls = seed, flat, 0

    def logits(self, tokens: tuple[int, ...]) -> np.ndarray:
        if self.flat:
            return np.zeros(VOCABULARY, dtype=np.float32)
        rng = np.random.default_rng((self.seed, *tokens))
        return (3 * rng.standard_normal(VOCABULARY)).astype(np.float32)

    def start(self, tokens):
        return self.follow((), tokens)

    def follow(self, state, tokens):
        self.calls += 1
        state = (*state, *tokens)
        return self.logits(state), state


def all_lists(model: TableModel, prompt: list[int]) -> list[tuple[float, tuple[str, ...]]]:
    """(log probability, names) of every legal list, by brute force."""
    found = []
    for length in range(GRAMMAR.max_length + 1):
        for tokens in itertools.product(GRAMMAR.passes, repeat=length):
            if tokens.count(3) > 1:
                continue
            total, state = 0.0, (*prompt, *GRAMMAR.begin)
            for i, token in enumerate((*tokens, GRAMMAR.stop)):
                legal = [0] if i == GRAMMAR.max_length else [1, 2, *([] if 3 in tokens[:i] else [3]), 0]
                scores = model.logits(state).astype(np.float64)
                total += scores[token] - math.log(np.exp(scores[legal]).sum())
                state = (*state, token)
            found.append((total, tuple(GRAMMAR.passes[t][0] for t in tokens)))
    return sorted(found, key=lambda pair: -pair[0])


@given(st.integers(0, 1000), st.integers(1, 12))
@settings(deadline=None, max_examples=40)
def test_the_most_probable_lists_come_first_and_none_twice(seed, count):
    model = TableModel(seed)
    found = best_first(model, [5, 6], GRAMMAR, count, max_expansions=200)
    expected = all_lists(model, [5, 6])[:count]
    assert [h.names for h in found] == [names for _, names in expected]
    assert [h.log_probability for h in found] == pytest.approx([p for p, _ in expected], abs=1e-4)
    assert all(h.state == (5, 6, 9, *({v: k for k, (v,) in GRAMMAR.passes.items()}[n] for n in h.names)) for h in found)


def test_all_legal_lists_and_no_other_can_come_out():
    found = best_first(TableModel(3), [1], GRAMMAR, 1000, max_expansions=1000)
    assert {h.names for h in found} == {names for _, names in all_lists(TableModel(3), [1])}
    assert sum(math.exp(h.log_probability) for h in found) == pytest.approx(1, abs=1e-4)


def test_a_token_may_stand_for_several_passes_and_no_list_comes_twice():
    grammar = Grammar(GRAMMAR.begin, {**GRAMMAR.passes, 4: ("a", "b"), 5: ("a", "Oz")}, GRAMMAR.once, 0, max_length=3)
    model = TableModel(3)
    found = best_first(model, [1], grammar, 1000, max_expansions=1000)
    assert len({h.names for h in found}) == len(found)
    assert {h.names for h in found} == {names for _, names in all_lists(model, [1])}
    written = {h.names: h.state[2:] for h in found}
    assert any(4 in tokens for tokens in written.values()) and any(5 in tokens for tokens in written.values())
    assert all(tuple(n for t in tokens for n in grammar.passes[t]) == names for names, tokens in written.items())
    assert [h.log_probability for h in found] == sorted((h.log_probability for h in found), reverse=True)


def test_lists_of_one_token_are_read_off_at_once():
    model = TableModel(5)
    grammar = Grammar(GRAMMAR.begin, {**GRAMMAR.passes, 4: ("a", "b")}, GRAMMAR.once, 0)
    found = one_token_lists(model, [7], grammar)
    logits = model.logits((7, 9)).astype(np.float64)[[1, 2, 3, 4, 0]]
    expected = np.exp(logits) / np.exp(logits).sum()
    assert list(found) == [("a",), ("b",), ("Oz",), ("a", "b")] and model.calls == 1
    assert list(found.values()) == pytest.approx(expected[:4].tolist())


def test_ties_are_broken_the_same_way():
    first, second = (best_first(TableModel(0, flat=True), [4], GRAMMAR, 9) for _ in range(2))
    assert [h.names for h in first] == [h.names for h in second] and len(first) == 9


def test_the_number_of_model_calls_is_limited():
    model = TableModel(1)
    found = best_first(model, [1], GRAMMAR, 50, max_expansions=4)
    assert model.calls == 1 + 4 and 0 < len(found) < 50


def test_there_is_always_a_list():
    long = Grammar(GRAMMAR.begin, {t: (str(t),) for t in range(1, 9)}, frozenset(), stop=0, max_length=9)
    found = best_first(TableModel(0, flat=True), [4], long, 1, max_expansions=2)
    assert len(found) == 1 and len(found[0].names) >= 1


def test_greedy_stops_at_the_end_or_the_limit():
    model = TableModel(8)
    _, state = model.start([1])
    written = greedy(model, state, [2], end=-1, max_tokens=6)
    assert len(written) == 6
    assert greedy(model, state, [2], end=written[3], max_tokens=6) == written[: written.index(written[3])]
    assert written[0] == int(model.logits((1, 2)).argmax())


def test_log_softmax_of_large_scores():
    assert np.exp(log_softmax(np.array([1000.0, 1000.0], dtype=np.float32))).sum() == pytest.approx(1)
