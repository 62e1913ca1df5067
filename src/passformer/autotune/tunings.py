"""What tuning found, on disk: `tunings.parquet`, a row a function and pass list, and `searches.parquet`, the curves."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from passformer.autotune.cover import Counts
from passformer.autotune.journal import Journal
from passformer.corpus.store import read_table, write_table
from passformer.llvm.errors import InputError
from passformer.llvm.objective import Objective
from passformer.llvm.passlist import OZ, PassList

SCHEMA = pa.schema(
    [("function_id", pa.string()), ("pass_list", pa.dictionary(pa.int32(), pa.string())), ("count", pa.int32())]
)
CURVE_SCHEMA = pa.schema(
    [
        ("function_id", pa.string()),
        ("compilations", pa.list_(pa.int32())),
        ("cpu_seconds", pa.list_(pa.float32())),
        ("best", pa.list_(pa.int32())),
    ]
)
LOST = np.iinfo(np.int32).max
"""Stands for the count of a list that LLVM did not survive: it never wins."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The count of one function under one pass list."""

    function_id: str
    pass_list: PassList
    count: int


@dataclass(frozen=True, slots=True)
class Matrix:
    """Functions by pass lists."""

    function_ids: list[str]
    pass_lists: list[PassList]
    baseline: Counts
    """(functions,): under -Oz."""
    counts: Counts
    """(functions, lists); `LOST` where there is no count."""

    def saved(self, lost: int) -> Counts:
        """(functions, lists) instructions saved over -Oz, and `lost` by a list that LLVM does not survive."""
        return np.where(self.counts == LOST, lost, self.baseline[:, None] - self.counts)


def matrix_of(journal: Journal, pass_lists: Sequence[PassList]) -> Matrix:
    """Of a journal whose records hold `counts` of these lists, sorted by function id."""
    records = sorted(journal.records(), key=lambda record: str(record["id"]))
    counts = np.array([[LOST if c is None else c for c in record["counts"]] for record in records], dtype=np.int64)
    return Matrix(
        [record["id"] for record in records],
        list(pass_lists),
        np.array([record["baseline"] for record in records], dtype=np.int64),
        counts.reshape(len(records), len(pass_lists)),
    )


def write_tunings(folder: Path, broadcast: Matrix, searches: Journal) -> None:
    """`tunings.parquet`: of each function the -Oz row, its broadcast rows and the winner of its search."""
    names = [str(OZ), *map(str, broadcast.pass_lists)]
    width = len(names)
    ids = np.repeat(np.arange(len(broadcast.function_ids), dtype=np.int32), width)
    codes = np.tile(np.arange(width, dtype=np.int32), len(broadcast.function_ids))
    counts = np.column_stack([broadcast.baseline, broadcast.counts]).ravel()
    winners = sorted((r["id"], r["winner"], r["best"]) for r in searches.records() if r["winner"] != str(OZ))
    tables = [
        _table(pa.array(broadcast.function_ids, pa.string()).take(pa.array(ids)), codes, names, counts),
        _table(
            pa.array([w[0] for w in winners], pa.string()),
            np.arange(len(winners), dtype=np.int32),
            [w[1] for w in winners],
            np.array([w[2] for w in winners], dtype=np.int64),
        ),
    ]
    write_table(folder / "tunings.parquet", pa.concat_tables(tables).unify_dictionaries())


def write_curves(folder: Path, searches: Journal) -> None:
    """`searches.parquet`: best count against compilations and CPU-seconds, a row a searched function."""
    rows = []
    for record in sorted(searches.records(), key=lambda record: str(record["id"])):
        compilations, cpu_seconds, best = zip(*record["curve"], strict=True)
        rows.append(
            {"function_id": record["id"], "compilations": compilations, "cpu_seconds": cpu_seconds, "best": best}
        )
    write_table(folder / "searches.parquet", pa.Table.from_pylist(rows, schema=CURVE_SCHEMA))


def objective_of(folder: Path) -> Objective:
    """What a run counts."""
    settings = folder / "settings.json"
    found = json.loads(settings.read_text()) if settings.exists() else {}
    return Objective(found.get("objective", Objective.INSTRUCTIONS))


def read_tunings(folders: Sequence[Path], objective: Objective = Objective.INSTRUCTIONS) -> pa.Table:
    """The rows of one or several runs; raises InputError where one is not finished, or counts something else."""
    for folder in folders:
        if objective_of(folder) is not objective:
            raise InputError(f"{folder} was tuned for {objective_of(folder)}, and here {objective} are wanted")
        if not (folder / "tunings.parquet").exists():
            raise InputError(f"{folder} holds no finished tunings: run `passformer autotune` on the corpus first")
    tables = [read_table(folder / "tunings.parquet").cast(SCHEMA) for folder in folders]
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def read_broadcasts(run: Path, objective: Objective = Objective.INSTRUCTIONS) -> pa.Table:
    """The rows of a run; of run `default` also those of the universal lists, where run `universal` tried them.

    Raises InputError as `read_tunings` does, and where the two runs tried their lists on different functions.
    """
    universal = run.parent / "universal"
    if run.name != "default" or not (universal / "tunings.parquet").exists():
        return read_tunings([run], objective)
    tables = [read_tunings([folder], objective) for folder in (run, universal)]
    functions, others = (set(pc.unique(table["function_id"]).to_pylist()) for table in tables)
    if functions != others:
        raise InputError(f"{universal} was tuned on other functions than {run}: remove it, or tune it with its splits")
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def iterate(table: pa.Table) -> Iterator[Tuning]:
    """The rows with a count as values."""
    lists: dict[str, PassList] = {}
    for batch in table.filter(pc.is_valid(table["count"])).to_batches():
        for row in batch.to_pylist():
            text = row["pass_list"]
            pass_list = lists.get(text) or lists.setdefault(text, PassList.parse(text))
            yield Tuning(row["function_id"], pass_list, row["count"])


@dataclass(frozen=True, slots=True)
class Best:
    """What a function has under -Oz, and under the best list known."""

    baseline: int
    count: int


def best_of(table: pa.Table, winners: bool = True) -> dict[str, Best]:
    """Function id -> its counts; without `winners`, only lists count that every function was tried with."""
    if not winners:
        matrix = to_matrix(table)
        best = np.minimum(matrix.baseline, matrix.counts.min(axis=1, initial=LOST))
        return {i: Best(int(b), int(c)) for i, b, c in zip(matrix.function_ids, matrix.baseline, best, strict=True)}
    is_oz = pc.equal(table["pass_list"].cast(pa.string()), str(OZ))
    table = table.append_column("oz", pc.if_else(is_oz, table["count"], None))
    sums = table.group_by("function_id").aggregate([("count", "min"), ("oz", "max")])
    return {row["function_id"]: Best(row["oz_max"], row["count_min"]) for row in sums.to_pylist()}


def to_matrix(table: pa.Table) -> Matrix:
    """Functions (sorted by id) by all lists that every function was tried with."""
    functions = pc.unique(table["function_id"]).sort()
    row = pc.index_in(table["function_id"], functions).to_numpy()
    dictionary = [str(name) for name in table["pass_list"].chunk(0).dictionary.to_pylist()]
    code = table["pass_list"].chunk(0).indices.to_numpy()
    tried = np.bincount(code, minlength=len(dictionary)) >= len(functions)
    names = [name for name, all_ in zip(dictionary, tried, strict=True) if all_ and name != str(OZ)]
    column = np.full(len(dictionary), -1)
    column[[dictionary.index(name) for name in names]] = np.arange(len(names))
    count = table["count"].fill_null(LOST).to_numpy().astype(np.int64)
    counts = np.full((len(functions), len(names)), LOST, dtype=np.int64)
    wanted = column[code] >= 0
    counts[row[wanted], column[code[wanted]]] = count[wanted]
    baseline = np.zeros(len(functions), dtype=np.int64)
    is_oz = code == dictionary.index(str(OZ))
    baseline[row[is_oz]] = count[is_oz]
    return Matrix(functions.to_pylist(), [PassList.parse(name) for name in names], baseline, counts)


def _table(ids: pa.Array, codes: npt.NDArray[np.int32], names: list[str], counts: Counts) -> pa.Table:
    pass_lists = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string()))
    values = pa.array(counts.astype(np.int32), mask=counts == LOST)
    return pa.Table.from_arrays([ids, pass_lists, values], schema=SCHEMA)
