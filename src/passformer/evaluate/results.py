"""Results on disk, a row a function and method, and the figures that are summed from them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from passformer.corpus.store import read_table, write_table
from passformer.llvm.passlist import OZ

Counts = npt.NDArray[np.int64]
BOOTSTRAP_SAMPLES = 2000
OZ_TEXT = str(OZ)


@dataclass(frozen=True, slots=True)
class Result:
    """What a method made of one function."""

    method: str
    budget: int
    function_id: str
    source: str
    instructions: int
    """Before any optimisation."""
    pass_list: str
    """The one whose result is taken."""
    baseline: int
    """Instructions under -Oz."""
    result: int
    compilations: int
    """Additional ones."""
    best: int | None
    """Instructions under the best list that any tuning run knows."""
    baseline_text: int | None
    """Bytes of code and read-only data under -Oz; None where LLVM cannot emit it."""
    result_text: int | None
    cpu_seconds: float
    """To find the lists and to run them, -Oz among them where there is a budget."""
    proposed: tuple[tuple[str, int | None], ...]
    """(pass list, instructions) in the method's order; None where LLVM did not survive it."""


SCHEMA = pa.schema(
    [
        ("method", pa.string()),
        ("budget", pa.int32()),
        ("function_id", pa.string()),
        ("source", pa.string()),
        ("instructions", pa.int32()),
        ("pass_list", pa.string()),
        ("baseline", pa.int32()),
        ("result", pa.int32()),
        ("compilations", pa.int32()),
        ("best", pa.int32()),
        ("baseline_text", pa.int32()),
        ("result_text", pa.int32()),
        ("cpu_seconds", pa.float64()),
        ("proposed", pa.list_(pa.struct([("pass_list", pa.string()), ("count", pa.int32())]))),
    ]
)


def write_results(path: Path, results: Iterable[Result]) -> None:
    """As Parquet, sorted by function."""
    rows = []
    for result in sorted(results, key=lambda r: r.function_id):
        proposed = [{"pass_list": text, "count": count} for text, count in result.proposed]
        rows.append({**asdict(result), "proposed": proposed})
    write_table(path, pa.Table.from_pylist(rows, schema=SCHEMA))


def read_results(path: Path) -> list[Result]:
    """Raises InputError where the file is missing or damaged."""
    rows = read_table(path, SCHEMA.names).to_pylist()
    return [Result(**{**row, "proposed": tuple((p["pass_list"], p["count"]) for p in row["proposed"])}) for row in rows]


def summarise(results: Iterable[Result], seed: int = 0) -> dict[str, Any]:
    """The figures of the paper's Tables III and IV, percentages over -Oz, with a 95 % interval and the capture.

    `capture` is the share of the autotuner's gain in percent; None where that is not known for all functions.
    """
    rows = list(results)
    baseline = np.array([r.baseline for r in rows], dtype=np.int64)
    result = np.array([r.result for r in rows], dtype=np.int64)
    saved = baseline - result
    known = bool(rows) and all(r.best is not None for r in rows)
    best = np.array([r.best if known else r.baseline for r in rows], dtype=np.int64)
    gain = int((baseline - best).sum())
    texts = [
        (r.baseline_text, r.result_text) for r in rows if r.baseline_text is not None and r.result_text is not None
    ]
    return {
        "functions": len(rows),
        "additional_compilations": sum(r.compilations for r in rows),
        "improved": int((saved > 0).sum()),
        "regressed": int((saved < 0).sum()),
        "instructions_saved": int(saved[saved > 0].sum()),
        "instructions_regressed": int(-saved[saved < 0].sum()),
        "instructions": int(baseline.sum()),
        "overall_improvement": improvement(baseline, result),
        "interval": bootstrap(baseline, result, seed),
        "autotuner_improvement": improvement(baseline, best) if known else None,
        "capture": round(100 * int(saved.sum()) / gain, 2) if known and gain else None,
        "text_bytes": sum(before for before, _ in texts),
        "text_bytes_saved": sum(before - after for before, after in texts),
        "text_not_emitted": len(rows) - len(texts),
        "cpu_seconds": round(sum(r.cpu_seconds for r in rows), 3),
    }


def with_budget(result: Result, budget: int) -> Result:
    """The row as it would be with a smaller budget; bytes are not known for another list than the one taken."""
    proposed = result.proposed[:budget]
    best = _take_best(result, [(OZ_TEXT, result.baseline), *_survived(proposed)])
    return replace(best, compilations=len({p for p, _ in proposed} - {OZ_TEXT}))


def without_back_up(result: Result) -> Result:
    """The row with the best of what was proposed, -Oz only where it is proposed, or LLVM survives nothing else."""
    return _take_best(result, _survived(result.proposed) or [(OZ_TEXT, result.baseline)])


def _survived(proposed: Iterable[tuple[str, int | None]]) -> list[tuple[str, int]]:
    return [(pass_list, count) for pass_list, count in proposed if count is not None]


def _take_best(result: Result, options: Sequence[tuple[str, int]]) -> Result:
    pass_list, count = min(options, key=lambda option: option[1])
    return replace(result, pass_list=pass_list, result=count)


def at_budget(results: Iterable[Result], budget: int) -> Counts:
    """(functions,) the fewest instructions with -Oz and the first `budget` lists that were proposed."""
    return np.array([with_budget(r, budget).result for r in results], dtype=np.int64)


def improvement(baseline: Counts, result: Counts) -> float:
    """(sum of baseline - sum of result) / sum of baseline, in percent."""
    return round(100 * int((baseline - result).sum()) / max(int(baseline.sum()), 1), 4) + 0.0


def bootstrap_share(values: Sequence[bool], seed: int = 0) -> npt.NDArray[np.float64]:
    """(3,) the share that is true, and its 95 % interval, values drawn with replacement."""
    share = sum(values) / len(values)
    draws = np.random.default_rng(seed).binomial(len(values), share, BOOTSTRAP_SAMPLES) / len(values)
    return np.array([share, *np.percentile(draws, [2.5, 97.5])])


def bootstrap(baseline: Counts, result: Counts, seed: int = 0) -> list[float]:
    """The 95 % interval of the improvement, functions drawn with replacement."""
    if not len(baseline):
        return [0.0, 0.0]
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(BOOTSTRAP_SAMPLES):
        times = rng.multinomial(len(baseline), np.full(len(baseline), 1 / len(baseline)))
        draws.append(100 * float(times @ (baseline - result)) / max(float(times @ baseline), 1.0))
    low, high = np.percentile(draws, [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]
