"""Texts and labels as token ids, a row a function in one Parquet file a split: what training reads.

Ids are 16 bits wide and zstd-compressed. Samples are put together from the parts only when they are needed, so that
one file serves both prompt forms, every length of context, and labels that are drawn anew each epoch.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from passformer.autotune.labels import LISTS_TYPE
from passformer.corpus.files import atomic
from passformer.corpus.store import SPLITS, read_table
from passformer.dataset.examples import Texts, read_labels, read_texts
from passformer.dataset.opcodes import count_lines
from passformer.dataset.rows import TokenRow
from passformer.llvm.errors import InputError

_IDS = pa.list_(pa.uint16())
TOKENS_SCHEMA = pa.schema(
    [
        ("function_id", pa.string()),
        ("source", pa.string()),
        ("unoptimised", _IDS),
        ("after_oz", _IDS),
        ("counts", _IDS),
        ("optimised", _IDS),
        ("before", pa.int32()),
        ("oz_count", pa.int32()),
        ("better", LISTS_TYPE),
    ]
)
_BATCH = 1_000
_TEXTS: dict[str, Callable[[Texts], str]] = {
    "unoptimised": lambda t: t.unoptimised,
    "after_oz": lambda t: t.after_oz,
    "counts": lambda t: count_lines(t.unoptimised, t.after_oz),
    "optimised": lambda t: t.optimised,
}
"""Column -> the text whose tokens it holds."""


def write_tokens(texts: Path, labels: Path, tokenizer: Tokenizer, out: Path) -> dict[str, Any]:
    """Write `tokens-SPLIT.parquet` for each split to `out`; returns counts of functions and tokens."""
    if tokenizer.get_vocab_size() > np.iinfo(np.uint16).max:
        raise InputError(f"a vocabulary of {tokenizer.get_vocab_size():,} does not fit 16 bits")
    known = {row["function_id"]: row for row in read_labels(labels)}
    totals: dict[str, Any] = {"tokens": 0, "characters": 0}
    for split in SPLITS:
        totals[split] = 0
        with (
            atomic(out / f"tokens-{split}.parquet") as temporary,
            pq.ParquetWriter(temporary, TOKENS_SCHEMA, compression="zstd", compression_level=9) as writer,
        ):
            rows = read_texts(texts, [split])
            while batch := list(islice(rows, _BATCH)):
                table, counts = _table(batch, known, tokenizer)
                writer.write_table(table)
                totals[split] += len(batch)
                totals["tokens"] += counts
                totals["characters"] += sum(len(text_of(t)) for t in batch for text_of in _TEXTS.values())
    totals["characters_per_token"] = round(totals["characters"] / max(totals["tokens"], 1), 3)
    with atomic(out / "tokens.json") as temporary:
        temporary.write_text(json.dumps(totals, indent=2) + "\n")
    return totals


def read_tokens(folder: Path, split: str) -> Iterator[TokenRow]:
    """The rows of a split; raises InputError where there are none."""
    table = read_table(folder / f"tokens-{split}.parquet")
    columns = {name: table[name].combine_chunks() for name in _TEXTS}
    flat = {name: column.flatten().to_numpy() for name, column in columns.items()}
    offsets = {name: column.offsets.to_numpy() - column.offsets[0].as_py() for name, column in columns.items()}
    plain = table.select(["function_id", "source", "before", "oz_count", "better"]).to_pylist()
    for i, row in enumerate(plain):
        ids = {name: flat[name][offsets[name][i] : offsets[name][i + 1]] for name in columns}
        better = tuple((item["pass_list"], item["count"]) for item in row.pop("better"))
        yield TokenRow(**row, **ids, better=better)


def _table(batch: Sequence[Texts], known: dict[str, dict[str, Any]], tokenizer: Tokenizer) -> tuple[pa.Table, int]:
    columns: dict[str, Any] = {
        name: [getattr(t, name) for t in batch] for name in ("function_id", "source", "before", "oz_count")
    }
    num_tokens = 0
    for name, text_of in _TEXTS.items():
        ids = [encoding.ids for encoding in tokenizer.encode_batch([text_of(t) for t in batch])]
        columns[name] = pa.array(ids, _IDS)
        num_tokens += sum(map(len, ids))
    columns["better"] = [known[t.function_id]["better"] for t in batch]
    return pa.table(columns, schema=TOKENS_SCHEMA), num_tokens


def texts_for_tokenizer(texts: Iterable[Texts]) -> Iterator[str]:
    """What a tokenizer is to be trained on: the IR of all kinds, and answers' first lines."""
    for t in texts:
        yield t.unoptimised
        yield t.after_oz
        yield count_lines(t.unoptimised, t.after_oz)
        yield f"Run passes to reduce instruction count from {t.before} to {t.after}:\n\n"
