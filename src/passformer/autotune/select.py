"""Make a coreset file from the tunings of a corpus."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from passformer.autotune.coreset import Coreset
from passformer.autotune.cover import cover_improvements, greedy_cover
from passformer.autotune.neighbours import Neighbours, costs_of, count_opcodes, neighbours_beside, write_neighbours
from passformer.autotune.tunings import Matrix, objective_of, read_broadcasts, to_matrix
from passformer.autotune.verified import read_records, record_beside
from passformer.corpus.files import atomic
from passformer.corpus.store import Corpus, draw_order
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool

_TIMED = 50
"""Functions (or modules) that the cost of lists is measured on."""


def make_coreset(
    corpus: Corpus,
    folder: Path,
    size: int,
    out: Path,
    records: Sequence[Path] = (),
    pool: Pool | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """The `size` lists of the run in `folder` that cover most of its gain, in greedy order, written to `out`.

    Lists are chosen on the functions of train (on all where none is), the improvement is that on all functions tuned.
    With `records` of `verify` only lists that they admit are chosen, and what they say of them is written beside `out`.
    With a `pool` what each list saves on each function is written beside it too (`passformer.autotune.neighbours`).
    """
    started = time.perf_counter()
    verified = read_records(records) if records else None
    objective = objective_of(folder)
    matrix = to_matrix(read_broadcasts(folder, objective))
    admitted = [i for i, p in enumerate(matrix.pass_lists) if p.searched and (not verified or verified.admits(p))]
    pass_lists = [matrix.pass_lists[i] for i in admitted]
    baseline, counts = matrix.baseline, matrix.counts[:, admitted]
    train = set(corpus.ids(["train"]))
    chosen_on = [i for i, id_ in enumerate(matrix.function_ids) if id_ in train] or list(range(len(baseline)))
    order = greedy_cover(baseline[chosen_on], counts[chosen_on], size)
    improvements = cover_improvements(baseline, counts, order)
    coreset = Coreset(
        int(corpus.manifest["llvm"].split(".")[0]),
        corpus.protocol,
        objective,
        f"passformer coreset --size {size}, on {len(chosen_on)} functions",
        tuple(pass_lists[i] for i in order),
        tuple(improvements),
    )
    with atomic(out) as temporary:
        temporary.write_text(coreset.to_toml())
    if verified:
        with atomic(record_beside(out)) as temporary:
            temporary.write_text(verified.of(coreset.pass_lists).to_json())
    if pool:
        neighbours = _neighbours(corpus, matrix, coreset.pass_lists, pool, report)
        with atomic(neighbours_beside(out)) as temporary:
            write_neighbours(temporary, neighbours)
    return {
        "functions": len(baseline),
        "compilations": 0,
        "improvement": improvements[-1] if improvements else 0.0,
        "lists": [
            {"pass_list": str(p), "improvement": improvement}
            for p, improvement in zip(coreset.pass_lists, improvements, strict=True)
        ],
        "crashes": 0,
        "seconds": time.perf_counter() - started,
        "verified": verified is not None,
        "file": str(out),
    }


def _neighbours(
    corpus: Corpus, matrix: Matrix, pass_lists: Sequence[PassList], pool: Pool, report: Report
) -> Neighbours:
    row = {id_: i for i, id_ in enumerate(matrix.function_ids)}
    column = {p: i for i, p in enumerate(matrix.pass_lists)}
    functions = [f for f in corpus.functions() if f.id in row]
    opcodes = []
    for counts in pool.map(lambda sandbox, function: count_opcodes(function.ir, sandbox), functions):
        opcodes.append(counts)
        report("counting opcodes", len(opcodes), len(functions))
    rows = [row[f.id] for f in functions]
    saved = matrix.saved(0).clip(0)[np.ix_(rows, [column[p] for p in pass_lists])]
    timed = [f.ir for f in sorted(functions, key=lambda f: draw_order(f.id))[:_TIMED]]
    oz = OZ.pipeline(int(corpus.manifest["llvm"].split(".")[0]), corpus.protocol)
    cost = pool.call(lambda sandbox: costs_of(timed, pass_lists, oz, sandbox))
    return Neighbours(tuple(pass_lists), np.array(opcodes, dtype=np.int64), matrix.baseline[rows], saved, cost)
