"""Labelled functions as text: normal forms before and after optimisation, in shards, of which prompts are made."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from passformer.autotune.labels import LABEL_SCHEMA
from passformer.corpus.files import atomic, make_folder
from passformer.corpus.normalize import normal_forms
from passformer.corpus.store import Corpus, Function, read_table, write_table
from passformer.dataset.prompt import Answer, Form, write_prompt
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Failure, Pool, Sandbox

ROWS_PER_SHARD = 2_000


@dataclass(frozen=True, slots=True)
class Example:
    """What the model is shown and what it is to answer."""

    function_id: str
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Texts:
    """One labelled function: everything that an example of any form is made of."""

    function_id: str
    source: str
    split: str
    unoptimised: str
    """Normal form."""
    after_oz: str
    """Normal form after -Oz."""
    optimised: str
    """Normal form after the label's list."""
    pass_list: str
    """The label."""
    before: int
    """Instructions of the unoptimised function."""
    oz_count: int
    after: int
    """Instructions after the label's list."""

    def example(self, form: Form) -> Example:
        """The prompt in a form, and the answer."""
        answer = Answer(PassList.parse(self.pass_list), self.before, self.after, self.optimised)
        return Example(self.function_id, write_prompt(form, self.unoptimised, self.after_oz), str(answer))


TEXTS_SCHEMA = pa.schema(
    [
        ("function_id", pa.string()),
        ("source", pa.string()),
        ("split", pa.string()),
        ("unoptimised", pa.string()),
        ("after_oz", pa.string()),
        ("optimised", pa.string()),
        ("pass_list", pa.string()),
        ("before", pa.int32()),
        ("oz_count", pa.int32()),
        ("after", pa.int32()),
    ]
)


def write_texts(corpus: Corpus, labels: Path, folder: Path, pool: Pool, report: Report = silent) -> dict[str, Any]:
    """Write the texts of all labelled functions to `folder`; finished shards are not made again. Returns counts.

    A function whose label does not give the labelled count again is counted as `changed` and left out.
    """
    make_folder(folder)
    label = {row["function_id"]: row for row in read_labels(labels)}
    functions = (f for f in corpus.functions() if f.id in label)
    major = int(corpus.manifest["llvm"].split(".")[0])
    protocol = corpus.protocol

    def texts(sandbox: Sandbox, function: Function) -> Texts | None:
        row = label[function.id]
        pass_list = PassList.parse(row["pass_list"])
        pipelines = ["", OZ.pipeline(major, protocol), pass_list.pipeline(major, protocol)]
        results = list(sandbox.map(normal_forms, function.ir, pipelines))
        if any(isinstance(r, Failure) for r in results):
            return None
        (unoptimised, before), (after_oz, oz_count), (optimised, after) = results  # type: ignore[misc]
        if (oz_count, after) != (row["baseline"], row["count"]):
            return None
        counts = (row["pass_list"], before, oz_count, after)
        return Texts(function.id, function.source, function.split, unoptimised, after_oz, optimised, *counts)

    total: dict[str, int] = {"functions": 0, "improved": 0, "changed": 0, "characters": 0}
    done = 0
    for number in range(-(-len(label) // ROWS_PER_SHARD)):
        batch = list(islice(functions, ROWS_PER_SHARD))
        shard = folder / f"texts-{number:05}.parquet"
        if not shard.exists():
            _write_shard(shard, [t for t in pool.map(texts, batch) if t is not None], len(batch))
        for key, value in json.loads(shard.with_suffix(".json").read_text()).items():
            total[key] += value
        done += len(batch)
        report("writing texts", done, len(label))
    return total


def read_texts(folder: Path, splits: Sequence[str]) -> Iterator[Texts]:
    """The texts of the given splits; raises InputError where the folder holds none."""
    shards = sorted(folder.glob("texts-*.parquet"))
    if not shards:
        raise InputError(f"{folder} holds no texts: `passformer dataset` makes them")
    for shard in shards:
        table = read_table(shard)
        for row in table.to_pylist():
            if row["split"] in splits:
                yield Texts(**row)


def read_labels(path: Path) -> list[dict[str, Any]]:
    """Rows of a labels file; raises InputError where it is missing or something else."""
    table = read_table(path)
    if table.schema.names != LABEL_SCHEMA.names:
        raise InputError(f"{path} holds no labels: `passformer labels` makes them")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _write_shard(shard: Path, rows: Sequence[Texts], asked: int) -> None:
    counts = {
        "functions": len(rows),
        "improved": sum(t.after < t.oz_count for t in rows),
        "changed": asked - len(rows),
        "characters": sum(len(t.unoptimised) + len(t.after_oz) + len(t.optimised) for t in rows),
    }
    with atomic(shard.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(counts))
    write_table(shard, pa.Table.from_pylist([asdict(t) for t in rows], schema=TEXTS_SCHEMA))
