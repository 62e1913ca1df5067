"""Token rows to training samples: prompt and answer with a weight for each token, packed to equal length."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from passformer.dataset.opcodes import count_lines
from passformer.dataset.prompt import AFTER_LIST, ANSWER, BEGIN, COUNTS, END, IR, OZ_IR, PARTS, Answer, Form
from passformer.dataset.rows import Code, Ids, TokenRow, View
from passformer.dataset.tokenizer import encode_list
from passformer.llvm.passlist import OZ, PassList

Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layout:
    """How samples are put together."""

    max_prompt: int
    """Tokens of a prompt; a longer one is cut at its end."""
    max_ir: int
    """Tokens of the optimised IR in an answer; a longer one is cut, and has no end mark."""
    count_weight: float = 1.0
    """Loss weight of a token between the list and the optimised IR: mostly the counts."""
    ir_weight: float = 1.0
    """Loss weight of a token of the optimised IR; 0 leaves the IR away (the paper's ablation, section V-B)."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A pass list as part of an answer to one prompt."""

    pass_list: PassList
    count: int
    """Instructions after it."""
    weight: float
    """Share of the answer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt with its answers: a trunk that all share, and a branch for each."""

    ids: Ids
    weights: Weights
    """Of each token as a target: 0 in the prompt."""
    parts: tuple[int, ...]
    """Lengths of the trunk and of each branch; they sum to T."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Samples behind each other, filled up with padding."""

    ids: Ids
    """(T,)"""
    weights: Weights
    """(T,)"""
    previous: npt.NDArray[np.int32]
    """(T,) where the token is that this one follows; a branch follows the trunk."""
    documents: tuple[tuple[int, ...], ...]
    """The parts of each; they sum to T."""


class Writer:
    """Puts samples together."""

    def __init__(self, tokenizer: Tokenizer, layout: Layout) -> None:
        self.tokenizer = tokenizer
        self.layout = layout
        self._marks = {
            mark: np.array([tokenizer.token_to_id(mark)], dtype=np.uint16) for mark in (IR, OZ_IR, COUNTS, ANSWER, END)
        }
        self._line_end = self.encode("\n")[0]

    def view(self, unoptimised: str, after_oz: str) -> Code:
        """Of the normal forms of one module."""
        return Code(self.encode(unoptimised), self.encode(after_oz), self.encode(count_lines(unoptimised, after_oz)))

    def prompt(self, form: Form, view: View) -> Ids:
        """(T,) ids of a prompt, cut to `max_prompt`, ending with the token that asks for the answer."""
        whole = self._uncut(form, view)[: self.layout.max_prompt - 1]
        return np.concatenate([whole, self._marks[ANSWER]])

    def is_cut(self, form: Form, view: View) -> bool:
        """Whether the prompt does not hold all that it should show."""
        return len(self._uncut(form, view)) > self.layout.max_prompt - 1

    def leaves_out(self, form: Form, view: View) -> bool:
        """Whether the prompt says nothing of some of the code: it is cut, and does not open with counts of all code."""
        return not form.opens_with_counts and self.is_cut(form, view)

    def _uncut(self, form: Form, view: View) -> Ids:
        parts = (ids for mark, text in PARTS[form] for ids in (self._marks[mark], self._text(view, text)))
        return np.concatenate(list(parts))

    def _text(self, view: View, name: str) -> Ids:
        """Ids of what follows a mark, see `Part`."""
        if name == "counts_before":
            end = np.flatnonzero(view.counts == self._line_end)[0]
            return view.counts[: end + 1]
        ids: Ids = getattr(view, name)
        return ids

    def sample(self, form: Form, row: TokenRow, answers: Sequence[Labelled], with_ir: bool) -> Sample:
        """The sample of a row. The first answer goes on with its counts, and with the IR if it is the label.

        The others end with their lists.
        """
        begin, stop = self.encode(BEGIN), self.encode(AFTER_LIST)[:1]
        trunk = np.concatenate([self.prompt(form, row), begin])
        ids, weights, parts = [trunk], [np.zeros(len(trunk), np.float32)], [len(trunk)]
        weights[0][-len(begin) :] = 1
        for number, answer in enumerate(answers):
            head = np.concatenate([self.encode_list(answer.pass_list), stop])
            rest, rest_weights = self._rest(row, answer, with_ir) if number == 0 else (head[:0], weights[0][:0])
            ids += [head, rest]
            weights += [np.full(len(head), answer.weight, np.float32), rest_weights]
            parts.append(len(head) + len(rest))
        return Sample(np.concatenate(ids), np.concatenate(weights), tuple(parts))

    def _rest(self, row: TokenRow, answer: Labelled, with_ir: bool) -> tuple[Ids, Weights]:
        """What follows the token that ends the list, and its weights: counts, then the IR, if it is to be shown."""
        layout = self.layout
        counts = self.encode(Answer(answer.pass_list, row.before, answer.count, "").counts())[1:]
        is_part = layout.ir_weight > 0  # of answers at all: where it is, an answer is not over without it
        ir = row.optimised if with_ir and is_part else row.optimised[:0]
        is_whole = len(ir) <= layout.max_ir if with_ir else not is_part
        tail = np.concatenate([ir[: layout.max_ir], self._marks[END] if is_whole else ir[:0]])
        weights = [
            np.full(len(counts), answer.weight * layout.count_weight, np.float32),
            np.full(len(tail), layout.ir_weight if len(ir) else answer.weight, np.float32),
        ]
        return np.concatenate([counts, tail]), np.concatenate(weights)

    def encode(self, text: str) -> Ids:
        """Ids of a text."""
        return np.array(self.tokenizer.encode(text).ids, dtype=np.uint16)

    def encode_list(self, pass_list: PassList) -> Ids:
        """Ids of a pass list, without what opens and ends it."""
        return np.array(encode_list(self.tokenizer, pass_list), dtype=np.uint16)


def draw_answers(row: TokenRow, rng: np.random.Generator, sharpness: float, number: int) -> list[Labelled]:
    """Lists for this row: `number` draws of those that beat -Oz, each with a chance that falls with what it saves.

    The chance is in proportion to (gain / best gain)^sharpness; a list that was drawn several times has so much more
    weight. Several lists often save nearly the same. A model that is shown all of them learns which are good here,
    which is what budgets beyond one list need; with infinite sharpness it is shown the label alone. The label comes
    first where it was drawn.
    """
    if not row.better:
        return [Labelled(OZ, row.oz_count, 1.0)]
    if np.isinf(sharpness):
        drawn = np.array([number])
    else:
        gains = np.array([row.oz_count - count for _, count in row.better], dtype=np.float64)
        chances = (gains / gains.max()) ** sharpness
        drawn = rng.multinomial(number, chances / chances.sum())
    return [
        Labelled(PassList.parse(row.better[i][0]), row.better[i][1], float(drawn[i]) / number)
        for i in np.flatnonzero(drawn)
    ]


def pack(samples: Iterable[Sample], length: int) -> Iterator[Pack]:
    """Packs of `length` tokens, samples in order; one that does not fit begins the next pack, cut if it must be."""
    waiting: list[Sample] = []
    used = 0
    for sample in samples:
        size = min(len(sample.ids), length)
        if used + size > length:
            yield _packed(waiting, length)
            waiting, used = [], 0
        waiting.append(sample)
        used += size
    if waiting:
        yield _packed(waiting, length)


def _packed(samples: Sequence[Sample], length: int) -> Pack:
    ids = np.zeros(length, dtype=np.uint16)
    weights = np.zeros(length, dtype=np.float32)
    previous = np.arange(-1, length - 1, dtype=np.int32)
    documents = []
    at = 0
    for sample in samples:
        parts = _cut(sample.parts, length)
        size = sum(parts)
        ids[at : at + size], weights[at : at + size] = sample.ids[:size], sample.weights[:size]
        weights[at] = 0  # nothing comes before it that could predict it
        previous[at + np.cumsum(parts[:-1], dtype=np.int64)] = at + parts[0] - 1
        documents.append(parts)
        at += size
    return Pack(ids, weights, previous, (*documents, *([(length - at,)] if at < length else [])))


def _cut(parts: tuple[int, ...], length: int) -> tuple[int, ...]:
    """The first `length` tokens of a sample."""
    ends = np.minimum(np.cumsum(parts), length)
    return tuple(int(size) for size in np.diff(ends, prepend=0) if size)
