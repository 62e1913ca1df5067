"""The stream of training packs: endless, the same for the same seed, and able to go on at any step."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol

import numpy as np
from tokenizers import Tokenizer

from passformer.dataset.rows import TokenRow
from passformer.dataset.sequences import Layout, Pack, Sample, Writer, draw_answers, pack
from passformer.train.config import DataSection


class Stream(Protocol):
    """What a training run is fed with."""

    def packs(self, start: int = 0) -> Iterator[Pack]:
        """From pack number `start` on, endless."""


class PackStream:
    """Packs of epoch after epoch."""

    def __init__(self, rows: Sequence[TokenRow], tokenizer: Tokenizer, data: DataSection, seed: int) -> None:
        kept = max(1, round(data.share * len(rows)))
        rows = sorted(rows, key=lambda row: row.function_id)[:kept]  # ids are hashes: this is a random share
        self._better = [row for row in rows if row.better]
        self._others = [row for row in rows if not row.better]
        self._writers = {
            max_prompt: Writer(tokenizer, Layout(max_prompt, data.max_ir, data.count_weight, data.ir_weight))
            for max_prompt in (*(tokens for _, tokens in data.curriculum), data.max_prompt)
        }
        self._data = data
        self._seed = seed

    def packs(self, start: int = 0) -> Iterator[Pack]:
        """From pack number `start` on."""
        number = epoch = 0
        while True:
            for item in pack(self._samples(epoch), self._data.pack_tokens):
                if number >= start:
                    yield item
                number += 1
            epoch += 1

    def _samples(self, epoch: int) -> Iterator[Sample]:
        rng = np.random.default_rng((self._seed, epoch))
        num_others = min(len(self._others), round(self._data.negatives * max(len(self._better), 1)))
        chosen = [*self._better, *(self._others[i] for i in rng.permutation(len(self._others))[:num_others])]
        for i in rng.permutation(len(chosen)):
            yield self.sample(chosen[i], rng, epoch)

    def sample(self, row: TokenRow, rng: np.random.Generator, epoch: int) -> Sample:
        """One sample of a row; the answers are drawn."""
        lengths = [tokens for epochs, tokens in self._data.curriculum for _ in range(epochs)]
        is_short = epoch < len(lengths)
        writer = self._writers[lengths[epoch] if is_short else self._data.max_prompt]
        answers = draw_answers(row, rng, self._data.sharpness, self._data.answers)
        has_label = not row.better or str(answers[0].pass_list) == row.better[0][0]
        is_unoptimised = rng.random() < self._data.unoptimised_share
        form = self._data.unoptimised_form if is_unoptimised else self._data.form
        with_ir = has_label and not is_short and rng.random() < self._data.ir_share
        sample = writer.sample(form, row, answers, with_ir)
        if self._data.gain_power:
            scale = (1 + row.oz_count - min(answer.count for answer in answers)) ** self._data.gain_power
            sample = replace(sample, weights=(sample.weights * scale).astype(np.float32))
        return sample


def of_rank(packs: Iterator[Pack], rank: int, world: int) -> Iterator[Pack]:
    """Every `world`-th pack."""
    return islice(packs, rank, None, world)
