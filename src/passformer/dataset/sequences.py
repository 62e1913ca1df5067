"""Token rows to training samples: prompt and answer with a weight for each token, packed to equal length."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from passformer.dataset.prompt import ANSWER, END, IR, OZ_IR, Answer, Form
from passformer.dataset.tokens import Ids, TokenRow
from passformer.llvm.passlist import OZ, PassList

Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layout:
    """How samples are put together."""

    max_prompt: int
    """Tokens of a prompt; a longer one is cut at its end (in form `both` the unoptimised IR goes first)."""
    max_ir: int
    """Tokens of the optimised IR in an answer; a longer one is cut, and has no end mark."""
    ir_weight: float = 1.0
    """Loss weight of a token of the optimised IR; 0 leaves the IR away (the paper's ablation, section V-B)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt with its answer."""

    ids: Ids
    weights: Weights
    """Of each token as a target: 0 in the prompt."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Samples behind each other, filled up with padding."""

    ids: Ids
    """(T,)"""
    weights: Weights
    """(T,)"""
    documents: tuple[int, ...]
    """Lengths; they sum to T."""


class Writer:
    """Puts samples together."""

    def __init__(self, tokenizer: Tokenizer, layout: Layout) -> None:
        self.tokenizer = tokenizer
        self.layout = layout
        self._ir, self._oz, self._answer, self._end = (
            np.array([tokenizer.token_to_id(t)], dtype=np.uint16) for t in (IR, OZ_IR, ANSWER, END)
        )

    def prompt(self, form: Form, unoptimised: Ids, after_oz: Ids) -> Ids:
        """(T,) ids of a prompt, cut to `max_prompt`, ending with the token that asks for the answer."""
        parts = [self._ir, unoptimised]
        if form is Form.BOTH:
            parts = [self._oz, after_oz, *parts]
        whole = np.concatenate(parts)[: self.layout.max_prompt - 1]
        return np.concatenate([whole, self._answer])

    def is_cut(self, form: Form, unoptimised: Ids, after_oz: Ids) -> bool:
        """Whether the prompt does not hold all that it should show."""
        shown = len(unoptimised) + 1 + (len(after_oz) + 1 if form is Form.BOTH else 0)
        return shown > self.layout.max_prompt - 1

    def sample(self, form: Form, row: TokenRow, pass_list: PassList, count: int, with_ir: bool) -> Sample:
        """The sample of a row and one of its lists; the IR can be shown only for the label."""
        prompt = self.prompt(form, row.unoptimised, row.after_oz)
        head = self.encode(Answer(pass_list, row.before, count, "").head())
        ir = row.optimised if with_ir and self.layout.ir_weight > 0 else row.optimised[:0]
        end = self._end if len(ir) <= self.layout.max_ir else self._end[:0]
        ids = np.concatenate([prompt, head, ir[: self.layout.max_ir], end])
        weights = np.ones(len(ids), dtype=np.float32)
        weights[: len(prompt)] = 0
        weights[len(prompt) + len(head) :] = self.layout.ir_weight if len(ir) else 1.0
        return Sample(ids, weights)

    def encode(self, text: str) -> Ids:
        """Ids of a text."""
        return np.array(self.tokenizer.encode(text).ids, dtype=np.uint16)


def draw_label(row: TokenRow, rng: np.random.Generator, sharpness: float) -> tuple[PassList, int]:
    """A list for this row and its count: each that beats -Oz with a chance in proportion to (gain / best)^sharpness.

    Several lists often save nearly the same. A model that is shown all of them learns which are good here, which is
    what budgets beyond one list need; with infinite sharpness it is shown the label alone.
    """
    if not row.better:
        return OZ, row.oz_count
    if np.isinf(sharpness):
        text, count = row.better[0]
        return PassList.parse(text), count
    gains = np.array([row.oz_count - count for _, count in row.better], dtype=np.float64)
    chances = (gains / gains.max()) ** sharpness
    text, count = row.better[rng.choice(len(gains), p=chances / chances.sum())]
    return PassList.parse(text), count


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
    documents = []
    at = 0
    for sample in samples:
        size = min(len(sample.ids), length)
        ids[at : at + size], weights[at : at + size] = sample.ids[:size], sample.weights[:size]
        weights[at] = 0  # nothing comes before it that could predict it
        documents.append(size)
        at += size
    return Pack(ids, weights, (*documents, *([length - at] if at < length else [])))
