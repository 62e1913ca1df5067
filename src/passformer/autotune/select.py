"""Make a coreset file from the tunings of a corpus."""

import time
from pathlib import Path
from typing import Any

from passformer.autotune.coreset import Coreset
from passformer.autotune.cover import cover_improvements, greedy_cover
from passformer.autotune.tunings import read_tunings, to_matrix
from passformer.corpus.files import atomic
from passformer.corpus.store import Corpus


def make_coreset(corpus: Corpus, folder: Path, size: int, out: Path) -> dict[str, Any]:
    """The `size` lists of the run in `folder` that cover most of its gain, in greedy order, written to `out`.

    Lists are chosen on the functions of train (on all where none is), the improvement is that on all functions tuned.
    """
    started = time.perf_counter()
    matrix = to_matrix(read_tunings([folder]))
    baseline, counts = matrix.baseline, matrix.counts
    splits = corpus.columns(["id", "split"]).to_pydict()
    train = {id_ for id_, split in zip(splits["id"], splits["split"], strict=True) if split == "train"}
    chosen_on = [i for i, id_ in enumerate(matrix.function_ids) if id_ in train] or list(range(len(baseline)))
    order = greedy_cover(baseline[chosen_on], counts[chosen_on], size)
    improvements = cover_improvements(baseline, counts, order)
    coreset = Coreset(
        int(corpus.manifest["llvm"].split(".")[0]),
        corpus.protocol,
        "instructions",
        f"passformer coreset --size {size}, on {len(chosen_on)} functions",
        tuple(matrix.pass_lists[i] for i in order),
        tuple(improvements),
    )
    with atomic(out) as temporary:
        temporary.write_text(coreset.to_toml())
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
        "file": str(out),
    }
