"""One canonical label a function: of the lists that reach its best count, the one that wins most often over the corpus.

Of equals the shortest is taken.

Which of many equal lists a search happens to meet first is noise that no model can learn. The entropy of the labels
before and after says how much of it there was.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from passformer.autotune.tunings import Tuning, iterate, read_tunings
from passformer.corpus.store import write_table
from passformer.llvm.passlist import OZ, PassList

LABEL_SCHEMA = pa.schema(
    [("function_id", pa.string()), ("pass_list", pa.string()), ("count", pa.int32()), ("baseline", pa.int32())]
)


@dataclass(slots=True)
class _Best:
    """The best count of a function and every list that reaches it, in the order of evaluation."""

    baseline: int = 0
    count: int = 2**31
    pass_lists: list[PassList] | None = None


def write_labels(folders: Sequence[Path], out: Path) -> dict[str, Any]:
    """Labels of all functions of the tuning runs in `folders`, as Parquet; returns counts and entropies."""
    best = _best_lists(iterate(read_tunings(folders)))
    labels = canonical(best)
    rows = [
        {"function_id": i, "pass_list": str(labels[i]), "count": b.count, "baseline": b.baseline}
        for i, b in sorted(best.items())
    ]
    write_table(out, pa.Table.from_pylist(rows, schema=LABEL_SCHEMA))
    first = {i: (b.pass_lists or [OZ])[0] for i, b in best.items()}
    improved = [i for i, p in labels.items() if p != OZ]
    return {
        "functions": len(labels),
        "improved": len(improved),
        "distinct_before": len({first[i] for i in improved}),
        "distinct_after": len({labels[i] for i in improved}),
        "entropy_before": entropy([first[i] for i in improved]),
        "entropy_after": entropy([labels[i] for i in improved]),
        "file": str(out),
    }


def canonical(best: Mapping[str, _Best]) -> dict[str, PassList]:
    """Function id -> label; -Oz where nothing is better."""
    wins = Counter(p for b in best.values() if b.count < b.baseline for p in b.pass_lists or ())
    return {
        i: min(b.pass_lists or [OZ], key=lambda p: (-wins[p], len(p), str(p))) if b.count < b.baseline else OZ
        for i, b in best.items()
    }


def entropy(labels: Sequence[PassList]) -> float:
    """Shannon entropy in bits of the distribution of the labels."""
    if not labels:
        return 0.0
    shares = np.array(list(Counter(labels).values())) / len(labels)
    return round(float(-(shares * np.log2(shares)).sum()), 4)


def _best_lists(tunings: Any) -> dict[str, _Best]:
    best: dict[str, _Best] = {}
    tuning: Tuning
    for tuning in tunings:
        entry = best.setdefault(tuning.function_id, _Best())
        if tuning.pass_list == OZ:
            entry.baseline = tuning.count
        if tuning.count < entry.count:
            entry.count, entry.pass_lists = tuning.count, []
        if tuning.count == entry.count and entry.pass_lists is not None and tuning.pass_list not in entry.pass_lists:
            entry.pass_lists.append(tuning.pass_list)
    return best
