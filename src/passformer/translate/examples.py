"""Examples of single passes at work: code before and after a pass that changes it, on unoptimised and other code.

For each pass as many examples are drawn as are asked for; rare passes are found by looking at more functions, on which
only the passes are run that still lack examples. From each function a few examples are taken, those of the passes that
have the fewest so far.
"""

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from passformer.corpus.files import alone, claim
from passformer.corpus.normalize import normalize
from passformer.corpus.store import Corpus, Function, draw_order, read_table, write_table
from passformer.llvm.catalog import searched_passes
from passformer.llvm.errors import InputError
from passformer.llvm.module import Module
from passformer.llvm.passlist import PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool, Sandbox, SetupError

SPLITS = ("train", "test")
MAX_CHARACTERS = 3_000
"""Of the code before and after together; longer code would fill a context by itself."""
_PER_FUNCTION = 10
_CHUNK = 500
_LONGEST_PREFIX = 6


@dataclass(frozen=True, slots=True)
class Translation:
    """What one pass makes of one function."""

    function_id: str
    split: str
    module: str
    """Where the function comes from, source and group: prompts show it (the paper proposes the module's name)."""
    pass_name: str
    prefix: str
    """The pass list that made `before`; empty where it is unoptimised."""
    before: str
    """Normal form."""
    after: str
    """Normal form; never the same."""


SCHEMA = pa.schema(
    [
        ("function_id", pa.string()),
        ("split", pa.string()),
        ("module", pa.string()),
        ("pass_name", pa.string()),
        ("prefix", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How many examples."""

    train: int = 1_000
    """A pass, at most."""
    test: int = 50
    functions: int = 40_000
    """How many of each split are looked at, at most."""
    seed: int = 0


def write_translations(
    corpus: Corpus, folder: Path, pool: Pool, settings: Settings, report: Report = silent
) -> dict[str, Any]:
    """Write `translations-SPLIT-NNNNN.parquet`; finished shards are not made again. Returns counts by pass and split.

    Raises InputError where the folder holds examples of other settings.
    """
    with alone(folder):
        made_by = {
            **asdict(settings),
            "llvm": corpus.manifest["llvm"],
            "functions_in_corpus": corpus.manifest["functions"],
        }
        claim(folder / "settings.json", made_by, f"{folder} holds other examples: choose another --out")
        counts = {split: _write_split(corpus, folder, pool, settings, split, report) for split in SPLITS}
    passes = sorted(set(counts["train"]) | set(counts["test"]))
    return {
        "passes": len(passes),
        **{split: counts[split].total() for split in SPLITS},
        "by_pass": {name: {split: counts[split][name] for split in SPLITS} for name in passes},
    }


def read_translations(folder: Path, split: str) -> list[Translation]:
    """All of a split; raises InputError where there are none."""
    shards = sorted(folder.glob(f"translations-{split}-*.parquet"))
    rows = [row for shard in shards for row in read_table(shard, SCHEMA.names).to_pylist()]
    if not rows:
        raise InputError(f"{folder} holds no examples of {split}: `passformer translate examples DIR` makes some")
    return [Translation(**row) for row in rows]


def _write_split(
    corpus: Corpus, folder: Path, pool: Pool, settings: Settings, split: str, report: Report
) -> Counter[str]:
    llvm = int(corpus.manifest["llvm"].split(".")[0])
    passes = [p.name for p in searched_passes(llvm) if p.kind != "meta"]
    quota = settings.train if split == "train" else settings.test
    counts: Counter[str] = Counter()

    def changes(sandbox: Sandbox, item: tuple[Function, Sequence[str]]) -> list[Translation]:
        function, wanted = item
        rng = random.Random(f"{settings.seed} {function.id}")
        prefix = PassList(tuple(rng.choices(passes, k=rng.randint(0, 1) * rng.randint(1, _LONGEST_PREFIX))))
        return _changes(sandbox, function, prefix, wanted, llvm)

    functions = sorted(corpus.functions([split]), key=lambda f: draw_order(f.id))[: settings.functions]
    for number, start in enumerate(range(0, len(functions), _CHUNK)):
        chunk = functions[start : start + _CHUNK]
        shard = folder / f"translations-{split}-{number:05}.parquet"
        if not shard.exists():
            kept = []
            wanted = [name for name in passes if counts[name] < quota]
            for found in pool.map(changes, [(function, wanted) for function in chunk]):
                rarest = sorted((t for t in found if counts[t.pass_name] < quota), key=lambda t: counts[t.pass_name])
                taken = rarest[:_PER_FUNCTION]
                counts.update(t.pass_name for t in taken)
                kept += taken
            write_table(shard, pa.Table.from_pylist([asdict(t) for t in kept], schema=SCHEMA))
        else:
            counts.update(read_table(shard)["pass_name"].to_pylist())
        report(f"single passes: {split}, {counts.total():,} examples", start + len(chunk), len(functions))
    return counts


def _changes(
    sandbox: Sandbox, function: Function, prefix: PassList, passes: Sequence[str], llvm: int
) -> list[Translation]:
    """What each pass makes of the function after the prefix; only of passes that change it, and of short code."""
    pipelines = ["", *(PassList((name,)).pipeline(llvm) for name in passes)]
    start = (function.ir, prefix.pipeline(llvm) if prefix.names else "")
    try:
        before, *after = sandbox.map(applier, start, pipelines)
    except SetupError:  # LLVM does not survive the prefix
        return []
    if not isinstance(before, str):
        return []
    module = f"{function.source}/{function.group}"
    return [
        Translation(function.id, function.split, module, name, str(prefix), before, text)
        for name, text in zip(passes, after, strict=True)
        if isinstance(text, str) and len(before) + len(text) <= MAX_CHARACTERS
    ]


@contextlib.contextmanager
def applier(start: tuple[bytes, str]) -> Iterator[Callable[[str], str | None]]:
    """(IR, pipeline that comes first): pipeline -> normal form after it; None where that is not another one.

    Nor is anything run on code that is too long for an example.
    """
    ir, prefix = start
    with Module.parse(ir) as module:
        if prefix:
            module.run(prefix)
            module.verify()
        text = module.text()
        before = normalize(text)

        def apply(pipeline: str) -> str | None:
            if not pipeline:
                return before
            if len(before) > MAX_CHARACTERS:
                return None
            with module.clone() as copy:
                copy.run(pipeline)
                changed = copy.text()
                if changed == text:  # as after most passes; the normal form takes ten times as long as the text
                    return None
                copy.verify()
            after = normalize(changed)
            return None if after == before else after

        yield apply
