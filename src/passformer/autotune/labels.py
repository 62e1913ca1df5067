"""One canonical label a function: of the lists that reach its best count, the one that wins most over the corpus.

Of equals the shortest is taken. Which of many equal lists a search happens to meet is noise that no model can learn;
the entropy of the labels says how much of it there was.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from passformer.autotune.tunings import LOST, Matrix, read_tunings
from passformer.autotune.verified import read_record
from passformer.corpus.store import write_table
from passformer.llvm.passlist import OZ, PassList

LISTS_TYPE = pa.list_(pa.struct([("pass_list", pa.string()), ("count", pa.int32())]))
LABEL_SCHEMA = pa.schema(
    [
        ("function_id", pa.string()),
        ("pass_list", pa.string()),
        ("count", pa.int32()),
        ("baseline", pa.int32()),
        ("better", LISTS_TYPE),
    ]
)
"""`better`: every admitted list that beats -Oz, best first, the label foremost, for models that learn from more."""
Codes = npt.NDArray[np.int64]


def write_labels(folders: Sequence[Path], out: Path, record: Path | None = None, seed: int = 0) -> dict[str, Any]:
    """Labels of all functions of the tuning runs in `folders`, as Parquet; returns counts and entropies.

    `entropy_before` is that of labels drawn at random from the lists that reach the best count, as independent searches
    would find them. A list with a pass that is not searched (any more, see the catalog), or that a `record` of `verify`
    does not admit, labels nothing.
    """
    table = read_tunings(folders)
    table = table.filter(pc.is_valid(table["count"]))
    names = table["pass_list"].chunk(0).dictionary.to_pylist()
    verified = read_record(record) if record else None
    pass_lists = [PassList.parse(name) for name in names]
    admitted = np.array([p.searched and (not verified or verified.admits(p)) for p in pass_lists])
    table = table.filter(pa.array(admitted[table["pass_list"].chunk(0).indices.to_numpy()])).sort_by("function_id")
    ids = table["function_id"].combine_chunks()
    starts = np.flatnonzero(np.append(True, pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)))
    code = table["pass_list"].combine_chunks().indices.to_numpy().astype(np.int64)
    count = table["count"].to_numpy().astype(np.int64)
    oz = names.index(str(OZ))
    best = np.minimum.reduceat(count, starts)
    baseline = np.minimum.reduceat(np.where(code == oz, count, np.iinfo(np.int64).max), starts)
    improved = best < baseline
    function = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(code))))
    ties = (count == best[function]) & (improved[function] | (code == oz))
    pairs = np.unique(np.column_stack([function, code])[ties], axis=0)
    wins = np.bincount(pairs[improved[pairs[:, 0]], 1], minlength=len(names))
    rank = ranks(wins, names)
    labels = canonical(pairs, rank)
    drawn = _drawn(pairs, np.random.default_rng(seed))
    rows = {
        "function_id": ids.take(pa.array(starts)),
        "pass_list": pa.array(names, pa.string()).take(pa.array(labels)),
        "count": best,
        "baseline": baseline,
        "better": _better(function, code, count, baseline, rank, names),
    }
    write_table(out, pa.table(rows).cast(LABEL_SCHEMA))
    return {
        "functions": len(starts),
        "improved": int(improved.sum()),
        "distinct_before": len(np.unique(drawn[improved])),
        "distinct_after": len(np.unique(labels[improved])),
        "entropy_before": entropy(drawn[improved]),
        "entropy_after": entropy(labels[improved]),
        "verified": verified is not None,
        "file": str(out),
    }


def canonical(pairs: Codes, rank: Codes) -> Codes:
    """(functions,) the list of least rank of each function; `pairs` are the (function, list) that tie, by function."""
    starts = np.unique(pairs[:, 0], return_index=True)[1]
    chosen: Codes = np.argsort(rank)[np.minimum.reduceat(rank[pairs[:, 1]], starts)]
    return chosen


def canonical_columns(matrix: Matrix) -> Codes:
    """(functions,) the column of each function's canonical list; -1 where no list beats -Oz."""
    best = np.minimum(matrix.counts.min(axis=1, initial=LOST), matrix.baseline)
    improved = best < matrix.baseline
    pairs = np.argwhere((matrix.counts == best[:, None]) & improved[:, None])
    wins = np.bincount(pairs[:, 1], minlength=len(matrix.pass_lists))
    columns = np.full(len(best), -1)
    columns[improved] = canonical(pairs, ranks(wins, [str(p) for p in matrix.pass_lists]))
    return columns


def ranks(wins: Codes, names: Sequence[str]) -> Codes:
    """(lists,) rank of each: those that win most often first, then the shortest."""
    return np.argsort(sorted(range(len(names)), key=lambda i: (-wins[i], len(names[i].split()), names[i])))


def _better(
    function: Codes, code: Codes, count: Codes, baseline: Codes, rank: Codes, names: Sequence[str]
) -> pa.ListArray:
    """(functions,) the lists that beat -Oz with their counts, each once, best first."""
    kept = count < baseline[function]
    rows = np.unique(np.column_stack([function, count, rank[code], code])[kept], axis=0)
    function, count, _, code = rows.T
    offsets = np.searchsorted(function, np.arange(len(baseline) + 1)).astype(np.int32)
    lists = pa.array(list(names), pa.string()).take(pa.array(code))
    pairs = pa.StructArray.from_arrays([lists, pa.array(count, pa.int32())], names=["pass_list", "count"])
    return pa.ListArray.from_arrays(pa.array(offsets), pairs)


def entropy(labels: Codes) -> float:
    """Shannon entropy in bits of the distribution of the labels."""
    if not len(labels):
        return 0.0
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return round(float(-(shares * np.log2(shares)).sum()), 4) + 0.0


def _drawn(pairs: Codes, rng: np.random.Generator) -> Codes:
    """One of the lists of each function, each with the same chance."""
    shuffled = rng.permutation(pairs)
    drawn: Codes = shuffled[np.unique(shuffled[:, 0], return_index=True)[1], 1]
    return drawn
