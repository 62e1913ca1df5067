"""What the network is trained and judged on: graphs of tuned functions, and what each list gave.

They are kept in a file, a row a function, so that a training which goes on, here or elsewhere, needs neither functions
nor tunings.
"""

import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from passformer.autotune.coreset import Coreset
from passformer.autotune.tunings import best_of, read_broadcasts, to_matrix
from passformer.baselines.coreset_nvp.graph import Graph, make_graph
from passformer.baselines.coreset_nvp.values import Truth
from passformer.corpus.store import Corpus, Split, draw_order, read_table, write_table
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool

SCHEMA = pa.schema(
    [
        ("function_id", pa.string()),
        ("split", pa.string()),
        ("counts", pa.list_(pa.int32())),
        ("best", pa.int32()),
        ("node_texts", pa.list_(pa.string())),
        ("node_kinds", pa.list_(pa.uint8())),
        ("edges_from", pa.list_(pa.int32())),
        ("edges_to", pa.list_(pa.int32())),
        ("flows", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.uint8())),
    ]
)
"""See `Truth` and `Graph`."""
_MADE_OF = b"made_of"


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Functions of one split."""

    truth: Truth
    graphs: tuple[Graph, ...]
    """In the truth's order."""


def read_truths(corpus: Corpus, coreset: Coreset, sizes: dict[Split, int]) -> dict[Split, Truth]:
    """Of each split so many functions that the run `default` has tuned, drawn by their ids, under all candidates.

    Raises InputError where a split has none, or the run has not tried a list of the coreset on all of them.
    """
    table = read_broadcasts(corpus.folder / "tunings" / "default")
    drawn = _drawn(corpus, set(pc.unique(table["function_id"]).to_pylist()), sizes)
    wanted = sorted(i for ids in drawn.values() for i in ids)
    return _truths(table.filter(pc.is_in(table["function_id"], pa.array(wanted))).combine_chunks(), coreset, drawn)


def make_samples(
    corpus: Corpus, truths: dict[Split, Truth], pool: Pool, report: Report = silent
) -> dict[Split, Samples]:
    """The truths with the functions' graphs."""
    graphs = make_graphs(corpus, {i for truth in truths.values() for i in truth.function_ids}, pool, report)
    return {split: Samples(truth, tuple(graphs[i] for i in truth.function_ids)) for split, truth in truths.items()}


def make_graphs(corpus: Corpus, wanted: Set[str], pool: Pool, report: Report = silent) -> dict[str, Graph]:
    """Function id -> graph."""
    graphs: dict[str, Graph] = {}
    functions = (f for f in corpus.functions() if f.id in wanted)
    for id_, graph in pool.map(lambda sandbox, f: (f.id, make_graph(sandbox, f.ir)), functions):
        graphs[id_] = graph
        report("making program graphs", len(graphs), len(wanted))
    return graphs


def write_samples(path: Path, samples: dict[Split, Samples], made_of: dict[str, Any]) -> None:
    """With what they were made of, which is JSON and has the candidates as `pass_lists`."""
    tables = [_to_table(split, of_split) for split, of_split in samples.items()]
    table = pa.concat_tables(tables).replace_schema_metadata({_MADE_OF: json.dumps(made_of)})
    write_table(path, table)


def read_samples(path: Path, made_of: dict[str, Any]) -> dict[Split, Samples] | None:
    """What `write_samples` wrote; None where there is nothing, or samples that were made of something else."""
    if not path.exists():
        return None
    table = read_table(path)
    if json.loads((table.schema.metadata or {}).get(_MADE_OF, "null")) != json.loads(json.dumps(made_of)):
        return None
    lists = tuple(map(PassList.parse, made_of["pass_lists"]))
    splits: list[Split] = pc.unique(table["split"]).to_pylist()
    return {split: _from_table(table.filter(pc.equal(table["split"], split)), lists) for split in splits}


def candidates(coreset: Coreset) -> tuple[PassList, ...]:
    """-Oz, then the coreset's lists."""
    return tuple(dict.fromkeys((OZ, *coreset.pass_lists)))


def _drawn(corpus: Corpus, tuned: Set[str], sizes: dict[Split, int]) -> dict[Split, tuple[str, ...]]:
    columns = corpus.columns(["id", "split"]).to_pydict()
    drawn: dict[Split, tuple[str, ...]] = {}
    for split, size in sizes.items():
        ids = (i for i, s in zip(columns["id"], columns["split"], strict=True) if s == split and i in tuned)
        drawn[split] = tuple(sorted(ids, key=draw_order)[:size])
        if not drawn[split]:
            raise InputError(f"{corpus.folder} has no tuned functions in its split {split}: tune a larger corpus")
    return drawn


def _truths(table: pa.Table, coreset: Coreset, drawn: dict[Split, tuple[str, ...]]) -> dict[Split, Truth]:
    matrix, best = to_matrix(table), best_of(table)
    lists = candidates(coreset)[1:]
    absent = [p for p in lists if p not in matrix.pass_lists]
    if absent:
        raise InputError(
            f"the tunings hold no counts of {absent[0]} for every function: take a coreset that "
            "`passformer coreset` has chosen from them"
        )
    counts = np.column_stack([matrix.baseline, matrix.counts[:, [matrix.pass_lists.index(p) for p in lists]]])
    row = {id_: i for i, id_ in enumerate(matrix.function_ids)}
    return {
        split: Truth(
            ids, (OZ, *lists), counts[[row[i] for i in ids]], np.array([best[i].count for i in ids], dtype=np.int64)
        )
        for split, ids in drawn.items()
    }


def _to_table(split: Split, samples: Samples) -> pa.Table:
    truth, graphs = samples.truth, samples.graphs
    columns = {
        "function_id": truth.function_ids,
        "split": [split] * len(graphs),
        "counts": list(truth.counts),
        "best": truth.best,
        "node_texts": [np.array(g.texts, dtype=object)[g.node_texts] for g in graphs],
        "node_kinds": [g.node_kinds for g in graphs],
        "edges_from": [g.edges[0] for g in graphs],
        "edges_to": [g.edges[1] for g in graphs],
        "flows": [g.flows for g in graphs],
        "positions": [g.positions for g in graphs],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], SCHEMA)


def _from_table(table: pa.Table, pass_lists: tuple[PassList, ...]) -> Samples:
    truth = Truth(
        tuple(table["function_id"].to_pylist()),
        pass_lists,
        np.stack(list(_lists(table, "counts"))).astype(np.int64),
        table["best"].to_numpy().astype(np.int64),
    )
    names = ("node_texts", "node_kinds", "edges_from", "edges_to", "flows", "positions")
    columns = zip(*(_lists(table, name) for name in names), strict=True)
    return Samples(truth, tuple(_graph(*column) for column in columns))


def _lists(table: pa.Table, name: str) -> Iterator[npt.NDArray[Any]]:
    """A column of lists, row by row."""
    column = table[name].combine_chunks()
    ends = np.cumsum(column.value_lengths().to_numpy())
    yield from np.split(column.flatten().to_numpy(zero_copy_only=False), ends[:-1])


def _graph(
    node_texts: Sequence[str],
    node_kinds: npt.NDArray[np.uint8],
    edges_from: npt.NDArray[np.int32],
    edges_to: npt.NDArray[np.int32],
    flows: npt.NDArray[np.uint8],
    positions: npt.NDArray[np.uint8],
) -> Graph:
    places = {text: i for i, text in enumerate(dict.fromkeys(node_texts))}
    numbers = np.array([places[text] for text in node_texts], dtype=np.int32)
    return Graph(tuple(places), numbers, node_kinds, np.stack([edges_from, edges_to]), flows, positions)
