"""What methods are evaluated on: the test functions of a corpus, or files of IR."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from passformer.autotune.tunings import best_of, objective_of, read_tunings
from passformer.corpus.store import SPLITS, Corpus, draw_order
from passformer.llvm.errors import InputError
from passformer.llvm.frontend import IR_SUFFIXES, load
from passformer.llvm.locate import find_toolchain
from passformer.llvm.objective import Objective
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Pool


@dataclass(frozen=True, slots=True)
class Subject:
    """A module that a method is to make small."""

    id: str
    source: str
    ir: bytes
    """Bitcode, ready for the protocol's -Oz."""
    instructions: int
    """Before any optimisation."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """All of them, and what is known about them."""

    folder: Path
    """Where they come from."""
    items: tuple[Subject, ...]
    protocol: Protocol
    split: str
    """Which functions of a corpus; `files` for a folder."""
    best: dict[str, int]
    """Instructions under the best list that tuning runs know, by id; empty where they have not seen all."""

    @property
    def digest(self) -> str:
        """Which subjects these are."""
        return hashlib.blake2b("".join(s.id for s in self.items).encode(), digest_size=8).hexdigest()


def read_subjects(path: Path, pool: Pool, protocol: Protocol = Protocol.CLANG, sample: int | None = None) -> Subjects:
    """The test split of a corpus (all of it, where no function is in test), or a folder's .ll and .bc files.

    `protocol` is for files; a corpus has its own. `sample` takes so many functions of a corpus: those that `autotune`
    with as large a sample searches on.
    """
    if (path / "corpus.json").exists():
        return _of_corpus(path, sample)
    files = sorted(f for f in path.rglob("*") if f.suffix in IR_SUFFIXES) if path.is_dir() else []
    if not files:
        raise InputError(f"{path} is neither a corpus nor a folder with {' or '.join(IR_SUFFIXES)} files")
    modules = pool.map(lambda sandbox, file: load(file, sandbox, protocol=protocol), files)
    items = tuple(
        Subject(str(file.relative_to(path)), "files", facts.bitcode, sum(f.num_instructions for f in facts.functions))
        for file, facts in zip(files, modules, strict=True)
    )
    return Subjects(path, items, protocol, "files", {})


def best_known(folder: Path, ids: set[str]) -> dict[str, int]:
    """Function id -> the fewest instructions that any finished tuning run of a corpus reached; empty if one lacks."""
    best: dict[str, int] = {}
    wanted = pa.array(sorted(ids), pa.string())
    runs = [file.parent for file in sorted(folder.glob("tunings/*/tunings.parquet"))]
    for run in (run for run in runs if objective_of(run) is Objective.INSTRUCTIONS):
        table = read_tunings([run])
        table = table.filter(pc.is_in(table["function_id"], wanted))
        for id_, found in best_of(table).items() if len(table) else ():
            best[id_] = min(found.count, best.get(id_, found.count))
    return best if best.keys() >= ids else {}


def _of_corpus(path: Path, sample: int | None) -> Subjects:
    corpus = Corpus(path)
    for split in ("test", "all"):
        functions = list(corpus.functions(["test"] if split == "test" else SPLITS))
        if sample is not None:
            functions = sorted(functions, key=lambda f: draw_order(f.id))[:sample]
        items = tuple(Subject(f.id, f.source, f.ir, f.instructions) for f in functions)
        if items:
            return Subjects(path, items, corpus.protocol, split, best_known(path, {s.id for s in items}))
    raise InputError(f"{path} holds no functions (LLVM {find_toolchain().major})")
