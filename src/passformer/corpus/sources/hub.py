"""Data sets of the Hugging Face hub, or local files in their schema, row by row through the `datasets` library."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from passformer.llvm.errors import InputError

_LOADERS = {".parquet": "parquet", ".jsonl": "text", ".jsonl.zst": "text", ".json": "json"}
"""JSON lines are read as text: rows whose nested fields differ, as ExeBench's do, fit no common Arrow schema."""

Row = Mapping[str, Any]


class Spool:
    """Many texts in one file on disk; each is read when it is its unit's turn."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def extend(self, texts: Iterable[tuple[Row, bytes]]) -> Iterator[tuple[Row, Callable[[], bytes]]]:
        """Write each text that comes by; yields its row and what reads the text again.

        Raises InputError where the disk is full.
        """
        with self._path.open("ab") as file:
            for row, text in texts:
                try:
                    file.write(text)
                    file.flush()
                except OSError as error:
                    raise InputError(f"{self._path}: cannot be written: {error.strerror}") from None
                yield row, partial(_slice, self._path, self._size, len(text))
                self._size += len(text)


def local_files(value: str) -> list[Path]:
    """The data files that a SPEC's value names: itself, or all below it; none where there is no such file or folder."""
    path = Path(value)
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in found if file.is_file() and _suffix(file)]


def local_rows(files: Iterable[Path]) -> Iterator[Row]:
    """The rows of local Parquet, JSON and JSON-lines files (also zstd); raises InputError for a damaged file."""
    for file in files:
        suffix = _suffix(file)
        if suffix == ".jsonl.zst":
            _require("zstandard")
        loader = _LOADERS[suffix]
        for row in rows(str(file), loader, data_files=str(file), split="train"):
            yield _parsed(row["text"], file) if loader == "text" else row


def rows(name: str, path: str, **options: Any) -> Iterator[Row]:
    """The rows that `datasets.load_dataset(path, streaming=True, **options)` gives; `name` is for messages."""
    datasets = _require("datasets")
    datasets.disable_progress_bars()
    try:
        yield from datasets.load_dataset(path, streaming=True, **options)
    except GeneratorExit:
        raise
    except Exception as error:  # the library passes on whatever pyarrow, fsspec, httpx and the hub raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{name}: the datasets library cannot read it: {reason}") from None


def _require(library: str) -> ModuleType:
    import importlib

    try:
        return importlib.import_module(library)
    except ImportError:
        raise InputError(f"the {library} library is missing: pip install 'passformer[datasets]'") from None


def _suffix(file: Path) -> str:
    return next((suffix for suffix in _LOADERS if file.name.endswith(suffix)), "")


def _parsed(line: str, file: Path) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{file}: a line of it is no JSON ({error}): fetch the file again") from None
    if not isinstance(row, dict):
        raise InputError(f"{file}: expected one JSON object a line")
    return row


def _slice(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)
