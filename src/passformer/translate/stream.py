"""Prompts of single passes, as training packs and for asking a trained model."""

from collections.abc import Iterator, Sequence

import numpy as np
from tokenizers import Tokenizer

from passformer.dataset.prompt import ANSWER, BEGIN, END, IR
from passformer.dataset.rows import Ids
from passformer.dataset.sequences import Pack, Sample, pack
from passformer.train.config import LoopConfig, Section
from passformer.translate.examples import Translation


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
        samples = (_sample(example, tokenizer) for example in examples)
        self._samples = [sample for sample in samples if len(sample.ids) <= data.max_tokens]

    def packs(self, start: int = 0) -> Iterator[Pack]:
        """From pack number `start` on."""
        number = epoch = 0
        while True:
            order = np.random.default_rng((self._seed, epoch)).permutation(len(self._samples))
            for item in pack((self._samples[i] for i in order), self._data.pack_tokens):
                if number >= start:
                    yield item
                number += 1
            epoch += 1


def _sample(example: Translation, tokenizer: Tokenizer) -> Sample:
    prompt, answer = (_encode(text, tokenizer) for text in (prompt_of(example), example.after + END))
    ids = np.concatenate([prompt, answer])
    weights = np.ones(len(ids), np.float32)
    weights[: len(prompt)] = 0
    return Sample(ids, weights, (len(ids),))


def _encode(text: str, tokenizer: Tokenizer) -> Ids:
    return np.array(tokenizer.encode(text).ids, dtype=np.uint16)
