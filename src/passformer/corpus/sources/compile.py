"""ComPile: unoptimised bitcode of whole package ecosystems (Grossman et al., 2023), as it is on the hub."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from passformer.corpus.sources.hub import Row, Spool, local_files, local_rows, rows
from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError

HUB_NAME = "llvm-ml/ComPile"
LANGUAGES = {"c": "c", "c++": "cpp", "cpp": "cpp", "rust": "rust", "swift": "swift", "julia": "julia"}
"""What a SPEC says -> what the column `language` says."""
_COLUMNS = ["content", "language", "package_source"]


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """The modules of one language, or of local files, grouped by package.

    They go through a file in `workdir`: for `compile:c` that is some 10 GB. Modules that a newer LLVM wrote fail when
    it is their turn.
    """
    spool = Spool(workdir / "compile.bc")
    found = spool.extend(_modules(_rows(value), value))
    return [
        Unit("compile", row["package_source"], f"{row['package_source']} module {number}", code, "ir")
        for number, (row, code) in enumerate(found)
    ]


def _rows(value: str) -> Iterator[Row]:
    if files := local_files(value):
        return local_rows(files)
    if value not in LANGUAGES:
        raise InputError(
            f"compile:{value}: neither a language ({', '.join(LANGUAGES)}) nor a .parquet file or a folder with such"
        )
    # The filter goes down to the Parquet files, so that other languages' row groups are not even fetched.
    only = [("language", "==", LANGUAGES[value])]
    return rows(f"compile:{value}", HUB_NAME, split="train", columns=_COLUMNS, filters=only)


def _modules(found: Iterable[Row], value: str) -> Iterator[tuple[Row, bytes]]:
    for row in found:
        if not isinstance(row.get("content"), bytes) or not isinstance(row.get("package_source"), str):
            raise InputError(
                f"compile:{value}: a row lacks content (bitcode) or package_source: expected the schema of {HUB_NAME}"
            )
        yield {"package_source": row["package_source"]}, row["content"]
