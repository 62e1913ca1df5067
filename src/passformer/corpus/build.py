"""Build a corpus: compile units, extract functions (or keep modules whole), drop duplicates, split, write shards.

The SPEC `corpus:DIR` adds what an earlier build made, so that a corpus grows without compiling anything again.

Units are compiled in parts of a few hundred; each finished part is a file under `OUT/.parts`, so that a killed build
goes on where it stopped. A unit that fails is counted with its reason.
"""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from passformer.corpus.extract import Extracted, extractor, whole_module
from passformer.corpus.files import atomic, make_folder
from passformer.corpus.headers import precompile
from passformer.corpus.sources import check_sample, drawn, read_spec
from passformer.corpus.split import split_groups
from passformer.corpus.store import SCHEMA, Corpus, Function, Split, read_table, write_corpus, write_table
from passformer.corpus.unit import LENIENT_C, Unit
from passformer.llvm.errors import InputError, PassformerError
from passformer.llvm.frontend import compile_to_bitcode, first_error
from passformer.llvm.measure import ModuleFacts, read_module
from passformer.llvm.progress import Report, silent
from passformer.llvm.protocol import Protocol, front_end_flags
from passformer.llvm.sandbox import Failure, Limits, Pool, Sandbox, SetupError

UNITS_PER_PART = 256
MAX_INSTRUCTIONS = 2_000
"""Larger functions are left out: they cost hundreds of times the median to tune, and no prompt holds them."""
MAX_MODULE_INSTRUCTIONS = 20_000
"""The same for whole modules."""
_EARLIER = "corpus:"
_STANDARD_LIBRARY = ("_ZNSt", "_ZNKSt", "_ZSt", "_ZN9__gnu_cxx")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is built, beside the sources."""

    protocol: Protocol = Protocol.CLANG
    sample: Mapping[str, int] | None = None
    """Kind of source -> at most so many of its units, drawn at random."""
    seed: int = 0
    modules: bool = False
    """Keep the module of each unit whole, instead of giving each function its own."""
    split: Split | None = None
    """Put all functions into this split, instead of splitting by group."""
    without: Corpus | None = None
    """Leave out the functions whose text is in this corpus's train split."""


@dataclass(frozen=True, slots=True)
class UnitResult:
    """The functions (or the module) of one unit, or why there are none."""

    unit: Unit
    functions: tuple[Extracted, ...] = ()
    too_large: int = 0
    failure: str = ""


def build_limits() -> Limits:
    """For workers that read modules and split them."""
    return Limits(cpu_seconds=60)


def build_corpus(
    specs: Sequence[str],
    out: Path,
    pool: Pool,
    settings: Settings = Settings(),
    report: Report = silent,
) -> dict[str, Any]:
    """Build into `out`; returns the manifest."""
    make_folder(out)
    if (out / "corpus.json").exists():
        raise InputError(f"{out} holds a finished corpus: choose another --out, or remove it first")
    parts = out / ".parts"
    recipe = {
        "specs": list(specs),
        "protocol": str(settings.protocol),
        "sample": dict(settings.sample or {}),
        "seed": settings.seed,
        "modules": settings.modules,
        "split": settings.split,
        "without": str(settings.without.folder) if settings.without else "",
    }
    _check_unfinished(parts, recipe)
    earlier = [_earlier(spec, settings) for spec in specs if spec.startswith(_EARLIER)]
    with tempfile.TemporaryDirectory(prefix="passformer-") as scratch:
        units = _units([spec for spec in specs if not spec.startswith(_EARLIER)], Path(scratch), settings)
        _claim(parts, recipe)
        flags: tuple[str, ...] = ()
        if any(unit.standard_headers for unit in units):
            flags = precompile(Path(scratch), front_end_flags(settings.protocol))
        compiler = _Compiler(flags, settings)
        for number, start in enumerate(range(0, len(units), UNITS_PER_PART)):
            batch = units[start : start + UNITS_PER_PART]
            if not (parts / f"{number:05}.json").exists():
                _write_part(parts, number, compiler.results(pool, batch))
            compiler.remember(read_table(parts / f"{number:05}.parquet", ["name"])["name"].to_pylist())
            report("compiling", start + len(batch), len(units))
    summary, functions = _merge(earlier, parts, settings)
    if not functions:
        shutil.rmtree(parts)  # or the failures would be found again when the sources are mended
        reasons = "; ".join(summary["failures"]) or "none was left after extraction"
        raise InputError(f"no function came out of {', '.join(specs)}: {reasons}")
    manifest = {
        "llvm": pool.call(Sandbox.version)["version"],
        "protocol": str(settings.protocol),
        "modules": settings.modules,
        "specs": list(specs),
        **summary,
    }
    write_corpus(out, functions, manifest)
    shutil.rmtree(parts)
    return manifest


def _earlier(spec: str, settings: Settings) -> Corpus:
    corpus = Corpus(Path(spec.removeprefix(_EARLIER)))
    if corpus.protocol is not settings.protocol:
        raise InputError(f"{spec} is of protocol {corpus.protocol}, and this build of {settings.protocol}")
    if corpus.modules != settings.modules:
        kinds = ("single functions", "whole modules")
        raise InputError(f"{spec} holds {kinds[corpus.modules]}, and this build {kinds[settings.modules]}")
    return corpus


def _units(specs: Sequence[str], scratch: Path, settings: Settings) -> list[Unit]:
    sample = settings.sample or {}
    check_sample(sample, specs)
    units: list[Unit] = []
    for spec in specs:
        units += drawn(read_spec(spec, scratch), spec.partition(":")[0], sample, settings.seed)
    return units


def _check_unfinished(parts: Path, recipe: dict[str, Any]) -> None:
    """To be resumed, what lies in the parts folder must have been built by the same recipe."""
    file = parts / "settings.json"
    if file.exists() and json.loads(file.read_text()) != recipe:
        raise InputError(f"{parts.parent} holds an unfinished build of other sources: finish that, or remove it first")


def _claim(parts: Path, recipe: dict[str, Any]) -> None:
    make_folder(parts)
    with atomic(parts / "settings.json") as temporary:
        temporary.write_text(json.dumps(recipe))


class _Compiler:
    """Units -> functions; leaves out the standard library's templates that an earlier unit already gave."""

    def __init__(self, standard_headers: Sequence[str], settings: Settings) -> None:
        self._standard_headers = tuple(standard_headers)
        self._protocol = settings.protocol
        self._modules = settings.modules
        self._seen: set[str] = set()

    def remember(self, names: Iterable[str]) -> None:
        """What finished parts gave; from their files, so that a resumed build leaves out the same."""
        self._seen.update(name for name in names if name.startswith(_STANDARD_LIBRARY))

    def results(self, pool: Pool, units: Sequence[Unit]) -> Iterator[UnitResult]:
        """Compile all, then say in the order of the units who gives which function, then extract all."""
        modules = list(pool.map(self._compile, units))
        if self._modules:
            return pool.map(_keep_whole, zip(units, modules, strict=True))
        given = set(self._seen)
        tasks = []
        for unit, module in zip(units, modules, strict=True):
            names = _wanted(unit, module, given) if isinstance(module, ModuleFacts) else []
            given.update(name for name in names if name.startswith(_STANDARD_LIBRARY))
            tasks.append((unit, module, names))
        return pool.map(_extract, tasks)

    def _compile(self, sandbox: Sandbox, unit: Unit) -> ModuleFacts | str:
        """The unit's module, or why there is none: every failure is the unit's own."""
        try:
            facts = sandbox.call(read_module, (self._bitcode(unit), self._protocol))
        except (PassformerError, OSError) as error:
            return first_error(str(error))
        return str(facts) if isinstance(facts, Failure) else facts

    def _bitcode(self, unit: Unit) -> bytes:
        code = unit.code if isinstance(unit.code, Path) else unit.code()
        if unit.language == "ir":
            return code.read_bytes() if isinstance(code, Path) else code
        flags = ["-w", *(LENIENT_C if unit.language == "c" else ()), *unit.flags]
        if unit.language == "c++" and unit.standard_headers:
            flags += self._standard_headers
        return compile_to_bitcode(code, flags, self._protocol, unit.language, unit.folder)


def _wanted(unit: Unit, facts: ModuleFacts, given: Set[str]) -> list[str]:
    # A template of the standard library is the same in each program; what differs by the program's own types of
    # equal name is lost, which costs less than extracting `vector<int>` 50,000 times.
    names = [f.name for f in facts.functions if f.num_instructions <= MAX_INSTRUCTIONS and f.name not in unit.skip]
    names = [name for name in names if unit.only in (None, name)]
    return [name for name in names if not (name.startswith(_STANDARD_LIBRARY) and name in given)]


def _extract(sandbox: Sandbox, task: tuple[Unit, ModuleFacts | str, list[str]]) -> UnitResult:
    unit, facts, names = task
    if isinstance(facts, str):
        return UnitResult(unit, failure=facts)
    try:
        results = list(sandbox.map(extractor, facts.bitcode, names))
    except SetupError as error:
        return UnitResult(unit, failure=first_error(str(error)))
    functions = tuple(r for r in results if isinstance(r, Extracted))
    failures = Counter(str(r) for r in results if isinstance(r, Failure))
    too_large = sum(f.num_instructions > MAX_INSTRUCTIONS for f in facts.functions)
    return UnitResult(unit, functions, too_large, "; ".join(failures))


def _keep_whole(sandbox: Sandbox, task: tuple[Unit, ModuleFacts | str]) -> UnitResult:
    unit, facts = task
    if isinstance(facts, str):
        return UnitResult(unit, failure=facts)
    if not 0 < sum(f.num_instructions for f in facts.functions) <= MAX_MODULE_INSTRUCTIONS:
        return UnitResult(unit, too_large=int(bool(facts.functions)))
    module = sandbox.call(whole_module, (facts.bitcode, unit.name))
    return UnitResult(unit, failure=str(module)) if isinstance(module, Failure) else UnitResult(unit, (module,))


def _write_part(parts: Path, number: int, results: Iterable[UnitResult]) -> None:
    rows: list[dict[str, Any]] = []
    failures: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    too_large = 0
    for result in results:
        too_large += result.too_large
        if result.failure:
            failures[f"{result.unit.source}: {result.failure}"] += 1
        if not result.functions and result.failure:
            failed[result.unit.source] += 1
        source, group = result.unit.source, result.unit.group
        rows += [
            asdict(Function(f.id, source, group, "train", f.name, f.bitcode, f.instructions)) for f in result.functions
        ]
    write_table(parts / f"{number:05}.parquet", pa.Table.from_pylist(rows, schema=SCHEMA))
    with atomic(parts / f"{number:05}.json") as temporary:  # written last: it says that the part is whole
        temporary.write_text(json.dumps({"failures": failures, "failed_by_source": failed, "too_large": too_large}))


def _merge(earlier: Iterable[Corpus], parts: Path, settings: Settings) -> tuple[dict[str, Any], list[Function]]:
    """Earlier corpora, then all parts in order: each normal form once, each group in one split."""
    functions: dict[str, Function] = {}
    total: dict[str, Counter[str]] = {"failures": Counter(), "failed_by_source": Counter()}
    duplicates = too_large = 0

    def add(counts: dict[str, Any], more: Iterable[Function]) -> None:
        nonlocal duplicates, too_large
        for key, counter in total.items():
            counter.update(counts[key])
        too_large += counts["too_large"]
        for function in more:
            duplicates += function.id in functions
            functions.setdefault(function.id, function)

    for corpus in earlier:
        duplicates += corpus.manifest["duplicates_removed"]
        add(corpus.manifest, corpus.functions())
    for counts in sorted(parts.glob("[0-9]*.json")):
        rows = read_table(counts.with_suffix(".parquet")).to_pylist()
        add(json.loads(counts.read_text()), (Function(**row) for row in rows))
    known = set(settings.without.ids(["train"])) if settings.without else set()
    kept = [f for f in functions.values() if f.id not in known]
    splits = split_groups((f.source, f.group) for f in kept)
    result = [replace(f, split=settings.split or splits[f.source, f.group]) for f in kept]
    summary = {
        "functions": len(result),
        "instructions": sum(f.instructions for f in result),
        "by_source": dict(Counter(f.source for f in result)),
        "duplicates_removed": duplicates,
        "known_removed": len(functions) - len(kept),
        "too_large": too_large,
        "failed": total["failed_by_source"].total(),
        "failed_by_source": dict(total["failed_by_source"]),
        "failures": dict(total["failures"].most_common(30)),
    }
    return summary, result
