"""The corpus on disk: `corpus.json` (how it was made) and `functions-NNNNN.parquet` shards of `Function` rows."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from passformer.corpus.files import atomic
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.protocol import Protocol

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
ROWS_PER_SHARD = 20_000


@dataclass(frozen=True, slots=True)
class Function:
    """One function in a module of its own; in a corpus of whole modules, one of these."""

    id: str
    """32 hex digits of its normal form; of a function, blind to its own name (see `normalize.function_id`)."""
    source: str
    group: str
    """Project, author or problem; never in two splits."""
    split: Split
    name: str
    """Of the function, or the file."""
    ir: bytes
    """Bitcode of the unoptimised module."""
    instructions: int
    """IR instructions before any optimisation."""


SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("group", pa.string()),
        ("split", pa.string()),
        ("name", pa.string()),
        ("ir", pa.binary()),
        ("instructions", pa.int32()),
    ]
)


class Corpus:
    """A finished corpus directory, opened for reading."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError where the folder is no corpus, or one made by another LLVM version."""
        self.folder = folder
        try:
            self.manifest: dict[str, Any] = json.loads((folder / "corpus.json").read_text())
            major = int(self.manifest["llvm"].split(".")[0])
            self.protocol = Protocol(self.manifest["protocol"])
            self.modules: bool = self.manifest.get("modules", False)
            self._shards = [folder / name for name in self.manifest["shards"]]
        except FileNotFoundError:
            raise InputError(
                f"{folder} is no corpus: `passformer corpus build SPEC --out {folder}` makes one"
            ) from None
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(f"{folder / 'corpus.json'} is damaged ({error!r}): build the corpus again") from None
        if major != find_toolchain().major:
            raise InputError(
                f"{folder} was made by LLVM {major}, and this is LLVM {find_toolchain().major}: "
                "build it again, or set PASSFORMER_LLVM to the other version"
            )

    def functions(self, splits: Iterable[str] = SPLITS) -> Iterator[Function]:
        """The functions of the given splits, in the corpus's order."""
        wanted = set(splits)
        for table in self._tables(SCHEMA.names):
            yield from (Function(**row) for row in table.to_pylist() if row["split"] in wanted)

    def ids(self, splits: Iterable[str] = SPLITS) -> list[str]:
        """Of the functions of the given splits."""
        wanted = set(splits)
        rows = self.columns(["id", "split"]).to_pylist()
        return [row["id"] for row in rows if row["split"] in wanted]

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some columns of all functions (without the IR this is cheap)."""
        return pa.concat_tables(list(self._tables(names)))

    def _tables(self, names: Sequence[str]) -> Iterator[pa.Table]:
        for shard in self._shards:
            yield read_table(shard, names)


def draw_order(function_id: str, seed: int | str = 0) -> bytes:
    """A key to sort functions by: the first N are a sample, the same whatever order they came in."""
    return hashlib.blake2b(f"{seed} {function_id}".encode()).digest()


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file; raises InputError naming it where it is missing or damaged."""
    try:
        return pq.read_table(path, columns=list(columns) if columns else None)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is missing or damaged ({str(error).splitlines()[0][:120]}): make it again") from None


def write_table(path: Path, table: pa.Table) -> None:
    """A Parquet file that appears whole or not at all."""
    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def write_corpus(folder: Path, functions: Iterable[Function], manifest: dict[str, Any]) -> None:
    """Shards first, `corpus.json` last: a folder with a manifest is a whole corpus."""
    rows = iter(functions)
    shards: list[str] = []
    while batch := list(islice(rows, ROWS_PER_SHARD)):
        shards.append(f"functions-{len(shards):05}.parquet")
        table = pa.Table.from_pylist([asdict(function) for function in batch], schema=SCHEMA)
        write_table(folder / shards[-1], table)
    with atomic(folder / "corpus.json") as temporary:
        temporary.write_text(json.dumps({**manifest, "shards": shards}, indent=2) + "\n")
