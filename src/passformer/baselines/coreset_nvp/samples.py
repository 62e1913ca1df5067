"""What the network is trained and judged on: graphs of tuned functions, and what each list gave."""

from collections.abc import Set

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from passformer.autotune.coreset import Coreset
from passformer.autotune.tunings import best_of, read_tunings, to_matrix
from passformer.baselines.coreset_nvp.graph import Graph, make_graph
from passformer.baselines.coreset_nvp.values import Truth
from passformer.corpus.store import Corpus, Split, draw_order
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool


def read_truths(corpus: Corpus, coreset: Coreset, sizes: dict[Split, int]) -> dict[Split, Truth]:
    """Of each split so many functions that the run `default` has tuned, drawn by their ids, under all candidates.

    Raises InputError where a split has none, or the run has not tried a list of the coreset on all of them.
    """
    table = read_tunings([corpus.folder / "tunings" / "default"])
    drawn = _drawn(corpus, set(pc.unique(table["function_id"]).to_pylist()), sizes)
    wanted = sorted(i for ids in drawn.values() for i in ids)
    return _truths(table.filter(pc.is_in(table["function_id"], pa.array(wanted))).combine_chunks(), coreset, drawn)


def make_graphs(corpus: Corpus, wanted: Set[str], pool: Pool, report: Report = silent) -> dict[str, Graph]:
    """Function id -> graph."""
    graphs: dict[str, Graph] = {}
    functions = (f for f in corpus.functions() if f.id in wanted)
    for id_, graph in pool.map(lambda sandbox, f: (f.id, make_graph(sandbox, f.ir)), functions):
        graphs[id_] = graph
        report("making program graphs", len(graphs), len(wanted))
    return graphs


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
