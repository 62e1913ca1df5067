"""Graphs on disk: `graphs-NNNNN.parquet`, a row a function, so that each function's graph is made once.

A row takes about as many bytes as the function's bitcode. Larger samples go on with what smaller ones have left.
"""

from collections.abc import Iterable, Iterator, Set
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from passformer.baselines.coreset_nvp.graph import Graph, program_graph
from passformer.corpus.files import make_folder
from passformer.corpus.store import Corpus, Function, read_table, write_table
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Failure, Pool, Sandbox

_ROWS_PER_SHARD = 2_000
_ARRAYS = {"node_texts": np.int16, "node_kinds": np.uint8, "edges": np.int32, "flows": np.uint8, "positions": np.uint8}
_SCHEMA = pa.schema(
    [("function_id", pa.string()), ("texts", pa.list_(pa.string())), *((name, pa.binary()) for name in _ARRAYS)]
)


def cached_graphs(
    corpus: Corpus, wanted: Set[str], folder: Path, pool: Pool, report: Report = silent
) -> dict[str, Graph]:
    """Function id -> graph, of the functions `wanted` that LLVM can read; `folder` keeps them.

    A killed run loses one shard at most.
    """
    make_folder(folder)
    graphs = dict(_read(folder, wanted))
    missing = wanted - graphs.keys()
    if not missing:
        return graphs
    functions = (f for f in corpus.functions() if f.id in missing)
    made = pool.map(_make, functions)
    while batch := list(islice(made, _ROWS_PER_SHARD)):
        rows = {id_: graph for id_, graph in batch if graph is not None}
        table = pa.Table.from_pylist([_row(id_, graph) for id_, graph in rows.items()], schema=_SCHEMA)
        write_table(folder / f"graphs-{len(list(folder.glob('graphs-*.parquet'))):05}.parquet", table)
        graphs |= rows
        report("making program graphs", len(graphs), len(wanted))
    return graphs


def _make(sandbox: Sandbox, function: Function) -> tuple[str, Graph | None]:
    graph = sandbox.call(program_graph, function.ir)
    return function.id, None if isinstance(graph, Failure) else graph


def _row(id_: str, graph: Graph) -> dict[str, Any]:
    arrays = {name: getattr(graph, name).tobytes() for name in _ARRAYS}
    return {"function_id": id_, "texts": list(graph.texts), **arrays}


def _read(folder: Path, wanted: Set[str]) -> Iterator[tuple[str, Graph]]:
    for shard in sorted(folder.glob("graphs-*.parquet")):
        for row in _rows(read_table(shard)):
            if row["function_id"] in wanted:
                arrays: dict[str, Any] = {name: np.frombuffer(row[name], type_) for name, type_ in _ARRAYS.items()}
                arrays["edges"] = arrays["edges"].reshape(2, -1)
                yield row["function_id"], Graph(tuple(row["texts"]), **arrays)


def _rows(table: pa.Table) -> Iterable[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=500):
        yield from batch.to_pylist()
