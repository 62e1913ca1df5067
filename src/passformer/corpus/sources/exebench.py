"""ExeBench: millions of C functions from GitHub, each with what it needs to compile (Armengol-Estape et al., 2022)."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from passformer.corpus.sources.hub import Row, Spool, local_files, local_rows, rows
from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError

HUB_NAME = "jordiae/exebench"
SPLITS = (
    *("train_not_compilable", "train_synth_compilable", "train_real_compilable", "train_synth_simple_io"),
    *("train_real_simple_io", "train_synth_rich_io", "valid_synth", "valid_real", "test_synth", "test_real"),
)
_FIELDS = ("path", "fname", "func_def")
# A static function that nothing calls, or an inline one, would leave no code behind.
_KEEP = "\nvoid *passformer_keeps = (void *){};\n"
_FLAGS = ("-fgnu89-inline",)


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """A split of the hub's data set, or the local files of one, grouped by GitHub project."""
    spool = Spool(workdir / "exebench.c")
    return [
        Unit("exebench", _project(row["path"]), f"{row['path']}:{row['fname']}", code, "c", _FLAGS, only=row["fname"])
        for row, code in spool.extend(_programs(_rows(value), value))
    ]


def _rows(value: str) -> Iterator[Row]:
    if files := local_files(value):
        return local_rows(files)
    if value not in SPLITS:
        raise InputError(
            f"exebench:{value}: neither a split ({', '.join(SPLITS)}) "
            "nor a .parquet, .jsonl, .jsonl.zst or .json file or a folder with such"
        )
    return _from_hub(value)


def _from_hub(split: str) -> Iterator[Row]:
    try:
        yield from rows(f"exebench:{split}", HUB_NAME, split=split)
    except InputError as error:
        raise InputError(
            f"{error}; or fetch the split's archive from https://huggingface.co/datasets/{HUB_NAME}, unpack it, "
            "and write exebench:FOLDER (datasets 4 and later do not run the script that this data set is loaded by)"
        ) from None


def _programs(found: Iterable[Row], value: str) -> Iterator[tuple[Row, bytes]]:
    """Rows without their nesting (the hub's files have all under `text`), and the programs they make."""
    for outer in found:
        row = outer["text"] if isinstance(outer.get("text"), dict) else outer
        if not all(isinstance(row.get(field), str) for field in _FIELDS):
            raise InputError(f"exebench:{value}: a row lacks {', '.join(_FIELDS)}: expected the schema of {HUB_NAME}")
        dependencies = row.get("real_deps") or row.get("synth_deps") or ""
        program = f"{dependencies}\n{row['func_def']}{_KEEP.format(row['fname'])}"
        yield {field: row[field] for field in _FIELDS}, program.encode(errors="replace")


def _project(path: str) -> str:
    return "/".join(path.split("/")[:2])
