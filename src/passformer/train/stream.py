"""The stream of training packs: endless, the same for the same seed, and able to go on at any step."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, count, islice
from typing import Any, Protocol

import numpy as np
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from passformer.dataset.rows import Ids, TokenRow
from passformer.dataset.sequences import Layout, Pack, Sample, Writer, draw_answers, pack
from passformer.dataset.tokenizer import PAD, SPECIAL
from passformer.train.config import DataSection


class Stream(Protocol):
    """What a training run is fed with."""

    def packs(self, start: int = 0, part: int = 0, parts: int = 1) -> Iterator[Pack]:
        """From pack number `start` on, endless: those whose number leaves `part` when divided by `parts`.

        What the packs hold depends on `parts`: each of them is made without the others.
        """


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
        self._pad = SPECIAL.index(PAD)

    def packs(self, start: int = 0, part: int = 0, parts: int = 1) -> Iterator[Pack]:
        """See `Stream`."""
        epochs = (self.samples(epoch, part, parts) for epoch in count())
        return numbered((pack(samples, self._data.pack_tokens) for samples in epochs), start, part, parts)

    def samples(self, epoch: int, part: int = 0, parts: int = 1) -> Iterator[Sample]:
        """Those of an epoch, or of a part of it."""
        rng = np.random.default_rng((self._seed, epoch))
        num_others = min(len(self._others), round(self._data.negatives * max(len(self._better), 1)))
        chosen = [*self._better, *(self._others[i] for i in rng.permutation(len(self._others))[:num_others])]
        order = rng.permutation(len(chosen))[part::parts]
        rng = np.random.default_rng((self._seed, epoch, part))
        for i in order:
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
        if self._data.blotted:
            sample = replace(sample, ids=self._blotted(sample, rng))
        if self._data.gain_power:
            scale = (1 + row.oz_count - min(answer.count for answer in answers)) ** self._data.gain_power
            sample = replace(sample, weights=(sample.weights * scale).astype(np.float32))
        return sample

    def _blotted(self, sample: Sample, rng: np.random.Generator) -> Ids:
        """The ids with padding here and there in the prompt; its first token and its last say what it is."""
        answer = int(np.argmax(sample.weights > 0)) - 1
        ids = sample.ids.copy()
        ids[1:answer][rng.random(answer - 1) < self._data.blotted] = self._pad
        return ids


def numbered(epochs: Iterable[Iterable[Pack]], start: int, part: int, parts: int) -> Iterator[Pack]:
    """The packs of a part, epoch after epoch, from number `start` of all parts on."""
    packs = chain.from_iterable(epochs)
    return islice(packs, max(0, -(-(start - part) // parts)), None)


def feed(stream: Stream, start: int, rank: int, world: int, workers: int) -> Iterator[Pack]:
    """The packs of one of `world` training processes from number `start` on, which its rank begins.

    Without workers, every `world`-th of one stream; with some, these make a part each and are taken in turn.
    """
    if not workers:
        return islice(stream.packs(start), rank, None, world)
    parts = _Parts(stream, start + rank, world, workers)
    return iter(DataLoader(parts, batch_size=None, num_workers=workers, prefetch_factor=8, collate_fn=_as_it_is))


class _Parts(IterableDataset[Pack]):
    """What each worker makes: the first begins with pack number `start`."""

    def __init__(self, stream: Stream, start: int, world: int, workers: int) -> None:
        self._stream, self._start, self._world, self._workers = stream, start, world, workers

    def __iter__(self) -> Iterator[Pack]:
        worker = get_worker_info()
        assert worker is not None, "it is read by workers only"
        first, parts = self._start + worker.id * self._world, self._workers * self._world
        return self._stream.packs(first, first % parts, parts)


def _as_it_is(item: Any) -> Any:
    return item
