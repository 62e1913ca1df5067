"""The main job: propose pass lists for a file, run them, keep the smallest result, and never one larger than -Oz.

`compilations` counts the *additional* LLVM runs, beyond the one that makes the output: -Oz, which with a budget is
always run beside the proposals. Without a budget one list is proposed, unseen. Since -Oz is measured even then, for the
report, its result takes the place of a larger one; what a method is worth without it, `evaluate --budget 0` tells.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from passformer.corpus.files import atomic
from passformer.llvm.errors import CompilerError, InputError
from passformer.llvm.frontend import load
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Measurement, OutputKind, Subject, measurer, render
from passformer.llvm.objective import Objective
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Failure, Pool, Sandbox, SetupError
from passformer.methods.method import Task, check_budget, lowered
from passformer.methods.registry import Options, default_method, make_method

OUTPUT_KINDS: dict[str, OutputKind] = {".o": "object", ".s": "assembly", ".ll": "text", ".bc": "bitcode"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pass list and what it makes of the module."""

    pass_list: PassList
    instructions: int
    text_bytes: int


@dataclass(frozen=True, slots=True)
class Optimized:
    """The outcome for one file."""

    input: Path
    llvm: str
    """Full LLVM version."""
    objective: Objective
    baseline: Candidate
    result: Candidate
    pipeline: str
    """The result's pass list as `opt -passes=` takes it."""
    method: str
    compilations: int
    """Additional compilations."""
    failures: tuple[tuple[PassList, Failure], ...]
    """Pass lists that LLVM did not survive or refused; they cost nothing but time."""
    bitcode: bytes
    """The optimised module."""
    baseline_bitcode: bytes
    """What -Oz makes of it."""
    seconds: float

    def fallen_back(self) -> "Optimized":
        """The same with -Oz as the result."""
        pipeline = self.baseline.pass_list.pipeline(int(self.llvm.split(".")[0]))
        return dataclasses.replace(self, result=self.baseline, pipeline=pipeline, bitcode=self.baseline_bitcode)

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints for one file."""
        return {
            "input": str(self.input),
            "llvm": self.llvm,
            "objective": str(self.objective),
            "baseline": _candidate_json(self.baseline),
            "result": _candidate_json(self.result),
            "pipeline": self.pipeline,
            "compilations": self.compilations,
            "method": self.method,
            "failures": [{"pass_list": str(p), "kind": f.kind, "message": f.message} for p, f in self.failures],
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Settings:
    """How `optimize_file` works, whatever the file."""

    method: str | None = None
    """None for the model, where there is one for this LLVM, and else the coreset."""
    budget: int = 8
    """Additional compilations allowed."""
    objective: Objective = Objective.INSTRUCTIONS
    options: Options = field(default_factory=Options)
    clang_flags: tuple[str, ...] = ()


def optimize_file(path: Path, pool: Pool, settings: Settings = Settings()) -> Optimized:
    """Make one file small; the result is never larger than -Oz by the objective.

    Raises InputError for a file that cannot be used, CompilerError where LLVM fails on -Oz itself.
    """
    check_budget(settings.budget)

    name = settings.method or default_method(find_toolchain().major, settings.options, settings.objective)
    method = make_method(name, settings.options)

    def propose(task: Task) -> Sequence[PassList]:
        (proposal,) = method.propose([task], settings.budget, pool)
        return [lowered(p) for p in proposal.pass_lists]

    def smallest(measured: Measured) -> int:
        # On a tie the first: -Oz, or what the method believes in most.
        return min(range(len(measured)), key=lambda i: _size(measured[i][1], settings.objective))

    outcome = _run(path, pool, settings, propose, smallest)
    return dataclasses.replace(outcome, method=name, compilations=outcome.compilations if settings.budget else 0)


def apply_pass_list(path: Path, pool: Pool, pass_list: PassList, settings: Settings) -> Optimized:
    """Run exactly this pass list on a file, with -Oz beside it for comparison; the result may be larger.

    Raises CompilerError where LLVM does not survive the list or makes an invalid module of it.
    """
    outcome = _run(path, pool, settings, lambda task: [pass_list], lambda measured: len(measured) - 1)
    if outcome.failures:
        raise CompilerError(f"LLVM failed on {pass_list}: {outcome.failures[0][1]}")
    return outcome


Measured = list[tuple[PassList, Measurement]]


def _run(
    path: Path,
    pool: Pool,
    settings: Settings,
    propose: Callable[[Task], Sequence[PassList]],
    choose: Callable[[Measured], int],
) -> Optimized:
    """Measure -Oz, then the proposals; the result is the one that `choose` points at."""
    started = time.perf_counter()
    version, facts = pool.call(lambda sandbox: (sandbox.version(), load(path, sandbox, settings.clang_flags)))
    major = int(version["version"].split(".")[0])
    task = Task(facts.bitcode, major, objective=settings.objective)
    pass_lists = [OZ, *(p for p in propose(task) if p != OZ)]
    subject = Subject(facts.bitcode, text_bytes=settings.objective is Objective.TEXT, bitcode=True)
    outcomes = list(_measure(pool, subject, pass_lists, major))
    if isinstance(outcomes[0][1], Failure):
        raise CompilerError(f"{path}: LLVM fails on -Oz itself: {outcomes[0][1]}")
    measured = [(p, m) for p, m in outcomes if isinstance(m, Measurement)]
    chosen = choose(measured)
    baseline, result = (_candidate(pool, *measured[i]) for i in (0, chosen))
    return Optimized(
        input=path,
        llvm=version["version"],
        objective=settings.objective,
        baseline=baseline,
        result=result,
        pipeline=result.pass_list.pipeline(major),
        method="apply",
        compilations=len(pass_lists) - 1,
        failures=tuple((p, f) for p, f in outcomes if isinstance(f, Failure)),
        bitcode=measured[chosen][1].bitcode or b"",
        baseline_bitcode=measured[0][1].bitcode or b"",
        seconds=time.perf_counter() - started,
    )


def _size(measurement: Measurement, objective: Objective) -> int:
    if objective is Objective.INSTRUCTIONS:
        return measurement.instructions
    assert measurement.text_bytes is not None
    return measurement.text_bytes


def _candidate(pool: Pool, pass_list: PassList, measurement: Measurement) -> Candidate:
    """With its .text measured, if the search did not need that."""
    if measurement.text_bytes is None:
        subject = Subject(measurement.bitcode or b"", text_bytes=True)
        again = pool.call(lambda sandbox: next(sandbox.map(measurer, subject, [""])))
        if isinstance(again, Failure):
            raise CompilerError(f"LLVM cannot emit code after {pass_list}: {again}")
        measurement = again
    assert measurement.text_bytes is not None
    return Candidate(pass_list, measurement.instructions, measurement.text_bytes)


def _measure(
    pool: Pool, subject: Subject, pass_lists: Sequence[PassList], major: int
) -> Iterator[tuple[PassList, Measurement | Failure]]:
    """Measurements in the order of the lists; one chunk a worker, since each worker parses the module once."""
    chunk = max(4, -(-len(pass_lists) // pool.num_workers))
    chunks = [pass_lists[i : i + chunk] for i in range(0, len(pass_lists), chunk)]

    def measure(sandbox: Sandbox, part: Sequence[PassList]) -> list[Measurement | Failure]:
        return list(sandbox.map(measurer, subject, [p.pipeline(major) for p in part]))

    try:
        for part, results in zip(chunks, pool.map(measure, chunks), strict=True):
            yield from zip(part, results, strict=True)
    except SetupError as error:
        raise CompilerError(f"LLVM cannot read back its own module: {error}") from None


def optimize_files(
    paths: Sequence[Path], pool: Pool, settings: Settings, output: Path | None = None
) -> Iterator[Optimized]:
    """`optimize_file` for each, written as it is done: to `output`, or for several files to a folder of that name."""
    targets = [None] * len(paths) if output is None else output_files(paths, output)
    for path, target in zip(paths, targets, strict=True):
        outcome = optimize_file(path, pool, settings)
        if target:
            write_output(outcome, target, pool)
        yield outcome


def totals(outcomes: Sequence[Optimized]) -> dict[str, Any]:
    """The `--json` object for several files: the keys of one, summed, and `files` with each."""

    def summed(side: Callable[[Optimized], Candidate]) -> dict[str, Any]:
        return {
            "pass_list": None,
            "instructions": sum(side(o).instructions for o in outcomes),
            "text_bytes": sum(side(o).text_bytes for o in outcomes),
        }

    first = outcomes[0]
    return {
        "input": [str(o.input) for o in outcomes],
        "llvm": first.llvm,
        "objective": str(first.objective),
        "baseline": summed(lambda o: o.baseline),
        "result": summed(lambda o: o.result),
        "pipeline": None,
        "compilations": sum(o.compilations for o in outcomes),
        "method": first.method,
        "seconds": round(sum(o.seconds for o in outcomes), 3),
        "files": [o.to_json() for o in outcomes],
    }


def output_files(paths: Sequence[Path], output: Path) -> list[Path]:
    """Where the output of each file goes; raises InputError where `-o` does not fit the files."""
    if len(paths) == 1 and not output.is_dir():
        output_kind(output)
        return [output]
    if not output.is_dir():
        raise InputError(f"{output}: with several files, -o names a folder that exists")
    targets = [output / f"{path.stem}.o" for path in paths]
    twice = next((t for t in targets if targets.count(t) > 1), None)
    if twice:
        raise InputError(f"{twice} would be written by more than one of the files: optimise them apart")
    return targets


def output_kind(path: Path) -> OutputKind:
    """What `-o` writes, by the suffix; raises InputError before any work where it could not be written."""
    if path.suffix not in OUTPUT_KINDS:
        raise InputError(f"{path}: the suffix tells what to write: one of {' '.join(OUTPUT_KINDS)}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise InputError(f"{path}: is a folder")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{path}: no permission to write there")
    return OUTPUT_KINDS[path.suffix]


def write_output(outcome: Optimized, path: Path, pool: Pool) -> None:
    """Write the optimised module; the file appears whole or not at all."""
    kind = output_kind(path)
    data = pool.call(lambda sandbox: sandbox.call(render, (outcome.bitcode, kind)))
    if isinstance(data, Failure):
        raise CompilerError(f"{path}: LLVM cannot emit it: {data}")
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    return {
        "pass_list": str(candidate.pass_list),
        "instructions": candidate.instructions,
        "text_bytes": candidate.text_bytes,
    }
