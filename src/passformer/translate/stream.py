"""Prompts of single passes, as training packs and for asking a trained model."""

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from passformer.dataset.prompt import ANSWER, BEGIN, END, IR
from passformer.dataset.sequences import Pack, Sample, pack
from passformer.llvm.errors import InputError
from passformer.train.config import LoopConfig, Section
from passformer.train.stream import numbered
from passformer.translate.examples import Translation

_BATCH = 1_000
"""Texts that are made tokens together, on all cores; tokenizers keeps a hundred bytes for each of their tokens."""


class TranslationSection(Section):
    """What the model is shown."""

    max_tokens: int = 1024
    """Of prompt and answer together; longer examples are left out."""
    pack_tokens: int = 2048
    """Length that samples are packed to."""


class TranslationConfig(LoopConfig):
    """A whole run."""

    data: TranslationSection = TranslationSection()


def prompt_of(example: Translation) -> str:
    """Module, code and pass, up to where the code after the pass begins."""
    return f"{IR}; {example.module}\n{example.before}{ANSWER}{BEGIN} -{example.pass_name}:\n"


class TranslationStream:
    """Packs of epoch after epoch."""

    def __init__(
        self, examples: Sequence[Translation], tokenizer: Tokenizer, data: TranslationSection, seed: int
    ) -> None:
        self._data, self._seed = data, seed
        self._samples = [s for s in _samples(examples, tokenizer) if len(s.ids) <= data.max_tokens]
        if not self._samples:
            raise InputError(f"data.max_tokens: none of {len(examples):,} examples fits {data.max_tokens} tokens")

    def packs(self, start: int = 0, part: int = 0, parts: int = 1) -> Iterator[Pack]:
        """See `Stream`."""
        epochs = (self._order(epoch)[part::parts] for epoch in count())
        packs = (pack((self._samples[i] for i in order), self._data.pack_tokens) for order in epochs)
        return numbered(packs, start, part, parts)

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng((self._seed, epoch)).permutation(len(self._samples))


def _samples(examples: Sequence[Translation], tokenizer: Tokenizer) -> Iterator[Sample]:
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH]
        prompts = tokenizer.encode_batch([prompt_of(example) for example in batch])
        answers = tokenizer.encode_batch([example.after + END for example in batch])
        for prompt, answer in zip(prompts, answers, strict=True):
            ids = np.array([*prompt.ids, *answer.ids], dtype=np.uint16)
            weights = np.ones(len(ids), np.float32)
            weights[: len(prompt.ids)] = 0
            yield Sample(ids, weights, (len(ids),))
