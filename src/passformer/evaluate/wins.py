"""Functions on which a method beats every search: the paper's Listing 1, with the code that each list leaves."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from passformer.autotune.tunings import iterate, read_tunings
from passformer.corpus.files import atomic
from passformer.corpus.normalize import normal_forms
from passformer.evaluate.results import Result
from passformer.evaluate.subjects import Subjects
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Failure, Pool, Sandbox
from passformer.methods.method import lowered

NUMBER = 3
_READABLE = 60
"""Instructions under -Oz, at most: code that fits a page."""


def write_wins(file: Path, results: Sequence[Result], subjects: Subjects, llvm: int, pool: Pool) -> None:
    """The clearest wins among readable functions as JSON: pass list, count and code of -Oz, the search, the method."""
    rows = [r for r in results if r.best is not None and r.result < r.best and r.baseline <= _READABLE]
    rows = sorted(rows, key=lambda r: ((r.result - (r.best or 0)) / r.baseline, r.function_id))[:NUMBER]
    searched = best_lists(subjects.folder, [r.function_id for r in rows])
    irs = {s.id: s.ir for s in subjects.items}
    wins = []
    for row in rows:
        lists = {"-Oz": OZ, "autotuner": searched[row.function_id], row.method: PassList.parse(row.pass_list)}
        pipelines = [lowered(p).pipeline(llvm, subjects.protocol) for p in lists.values()]
        forms = pool.call(partial(_forms, irs[row.function_id], pipelines))
        shown = {
            name: {"pass_list": str(pass_list), "instructions": form[1], "ir": form[0]}
            for (name, pass_list), form in zip(lists.items(), forms, strict=True)
            if not isinstance(form, Failure)
        }
        wins.append({"function_id": row.function_id, "source": row.source, "lists": shown})
    with atomic(file) as temporary:
        temporary.write_text(json.dumps(wins, indent=1) + "\n")


def _forms(ir: bytes, pipelines: Sequence[str], sandbox: Sandbox) -> list[tuple[str, int] | Failure]:
    return list(sandbox.map(normal_forms, ir, pipelines))


def read_wins(folder: Path) -> list[dict[str, Any]]:
    """Of a run folder; none where there are none."""
    file = folder / "wins.json"
    wins: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    return wins


def best_lists(corpus: Path, ids: Sequence[str]) -> dict[str, PassList]:
    """Function id -> the best list that any finished tuning run of the corpus knows, of equals the shortest."""
    best: dict[str, tuple[int, int, str]] = {}
    for file in sorted(corpus.glob("tunings/*/tunings.parquet")) if ids else ():
        table = read_tunings([file.parent])
        for tuning in iterate(table.filter(pc.is_in(table["function_id"], pa.array(ids, pa.string())))):
            found = (tuning.count, len(tuning.pass_list), str(tuning.pass_list))
            best[tuning.function_id] = min(found, best.get(tuning.function_id, found))
    return {id_: PassList.parse(text) for id_, (_, _, text) in best.items()}
