"""From candidates to programs: only what runs clean, and the same under every reference, can convict a pass list.

References: clang -O0 with uninitialised variables filled with a pattern (and fresh memory not zero), clang -O1 with
AddressSanitizer and UndefinedBehaviorSanitizer, -Oz, and -Oz with inexact pointer differences (`optimise_inexact`; for
most programs the same code once more), all on every input. A candidate on which they differ has undefined or
unspecified behaviour (or takes too long) and is left out, with its reason.
"""

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from passformer.corpus.files import atomic, claim, make_folder
from passformer.corpus.headers import precompile
from passformer.corpus.store import read_table, write_table
from passformer.corpus.unit import LENIENT_C
from passformer.llvm.errors import PassformerError
from passformer.llvm.frontend import CLANG_SECONDS, compile_to_bitcode, first_error
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import ModuleFacts, Subject, measurer, read_module, render
from passformer.llvm.passlist import OZ
from passformer.llvm.progress import Report, silent
from passformer.llvm.protocol import Protocol, front_end_flags
from passformer.llvm.sandbox import Failure, Pool, Sandbox
from passformer.verify.check import Case, Optimise, checker, optimise, optimise_inexact
from passformer.verify.execute import RunLimits, link_command, link_flags, run_program
from passformer.verify.program import PROGRAM_SCHEMA, TIMEOUT, Candidate, Outcome, Program, program_of

CANDIDATES_PER_PART = 64
MAX_INPUTS = 4
"""Command lines per program; more would spend time on little else."""
SLOWEST = 1.0
"""CPU-seconds; a program that takes longer under a reference is left out."""
_SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g0")


@dataclass(frozen=True, slots=True)
class Reference:
    """A way to build a candidate with clang, and to run it."""

    name: str
    flags: tuple[str, ...]
    limits: RunLimits


REFERENCES = (
    Reference("-O0 with a pattern", ("-O0", "-ftrivial-auto-var-init=pattern"), RunLimits(SLOWEST)),
    Reference("sanitizers", ("-O1", *_SANITIZERS), RunLimits(10 * SLOWEST, memory_mib=None)),
)


_UNOPTIMISED = front_end_flags(Protocol.CLANG)
Headers = Mapping[tuple[str, ...], tuple[str, ...]]
"""Flags of a build -> those that make the precompiled C++ standard library visible in it."""


def prepare(
    candidates: Sequence[Candidate],
    folder: Path,
    pool: Pool,
    report: Report = silent,
) -> tuple[list[Program], dict[str, int]]:
    """(programs, how many candidates were left out by reason). Finished parts in `folder` are not done again.

    Raises InputError where `folder` holds other candidates.
    """
    make_folder(folder)
    other = f"{folder} was prepared for other programs: choose another folder, or remove it"
    claim(folder / "candidates.json", [[c.source, c.name] for c in candidates], other)
    with tempfile.TemporaryDirectory(prefix="passformer-") as headers:
        flags: Headers = {}
        if any(c.language == "c++" for c in candidates):
            flags = {f: precompile(Path(headers), f) for f in (_UNOPTIMISED, *(r.flags for r in REFERENCES))}
        return _prepare_parts(candidates, folder, pool, flags, report)


def _prepare_parts(
    candidates: Sequence[Candidate], folder: Path, pool: Pool, headers: Headers, report: Report
) -> tuple[list[Program], dict[str, int]]:
    programs: list[Program] = []
    left_out: Counter[str] = Counter()
    for number, start in enumerate(range(0, len(candidates), CANDIDATES_PER_PART)):
        batch = candidates[start : start + CANDIDATES_PER_PART]
        part = folder / f"programs-{number:05}.parquet"
        if not part.exists():
            _write_part(part, list(pool.map(partial(prepare_one, headers=headers), batch)))
        programs += map(program_of, read_table(part).to_pylist())
        left_out.update(json.loads(part.with_suffix(".json").read_text()))
        report("preparing programs", start + len(batch), len(candidates))
    return programs, dict(left_out)


def prepare_one(sandbox: Sandbox, candidate: Candidate, headers: Headers) -> Program | str:
    """The program, or why the candidate is left out."""
    try:
        return _prepared(sandbox, candidate, headers)
    except _LeftOut as reason:
        return f"{candidate.source}: {reason}"
    except (PassformerError, OSError) as error:
        return f"{candidate.source}: does not compile: {first_error(str(error))}"


class _LeftOut(Exception):
    """Why a candidate is no program."""


def _prepared(sandbox: Sandbox, candidate: Candidate, headers: Headers) -> Program:
    code = candidate.code()
    inputs = candidate.inputs[:MAX_INPUTS]
    facts = _module(sandbox, candidate, code, headers)
    companion = _companion(sandbox, candidate, headers)
    outcomes, slowest = _reference_outcomes(candidate, code, companion, inputs, headers)
    if not any(outcome.stdout for outcome in outcomes) and not any(outcome.status for outcome in outcomes):
        raise _LeftOut("prints nothing")
    program = Program(
        source=candidate.source,
        name=candidate.name,
        language=candidate.language,
        ir=facts.bitcode,
        instructions=sum(f.num_instructions for f in facts.functions),
        companion=companion,
        inputs=inputs,
        expected=outcomes,
        cpu_seconds=slowest,
    )
    for optimise_with, reason in (
        (optimise, "-Oz and -O0 with a pattern differ"),
        (optimise_inexact, "depends on the difference of pointers that are no whole elements apart"),
    ):
        if not behaves(program, optimise_with, sandbox):
            raise _LeftOut(reason)
    return program


def behaves(program: Program, optimise_with: Optimise, sandbox: Sandbox) -> bool:
    """Whether the program is as expected after -Oz."""
    case = Case(program, link_command(program.language), optimise_with)
    (verdict,) = sandbox.map(checker, case, [OZ.pipeline(find_toolchain().major)])
    return not isinstance(verdict, Failure) and not verdict.difference


def _reference_outcomes(
    candidate: Candidate, code: bytes, companion: bytes, inputs: Sequence[tuple[str, ...]], headers: Headers
) -> tuple[tuple[Outcome, ...], float]:
    """(outcome of each input under all references, CPU-seconds of the slowest plain run)."""
    agreed: tuple[Outcome, ...] = ()
    slowest = 0.0
    with tempfile.TemporaryDirectory(prefix="passformer-verify-") as name:
        folder = Path(name)
        (folder / "companion.o").write_bytes(companion)
        for reference in REFERENCES:
            executable = folder / "program"
            objects = [folder / "companion.o"] if companion else []
            flags = (*reference.flags, *_flags(candidate, reference.flags, headers))
            _build(candidate, code, flags, objects, executable)
            runs = [run_program(executable, arguments, reference.limits) for arguments in inputs]
            outcomes = tuple(outcome for outcome, _ in runs)
            if any(outcome.status == TIMEOUT for outcome in outcomes):
                raise _LeftOut(f"takes too long or writes too much under {reference.name}")
            if any(outcome.status < 0 for outcome in outcomes):
                raise _LeftOut(f"is ended by a signal under {reference.name}")
            if agreed and outcomes != agreed:
                raise _LeftOut(f"{REFERENCES[0].name} and {reference.name} differ")
            if not agreed:
                agreed, slowest = outcomes, max(seconds for _, seconds in runs)
    return agreed, slowest


def _flags(candidate: Candidate, flags: tuple[str, ...], headers: Headers) -> Sequence[str]:
    """The candidate's own, after those that make a precompiled standard library visible to C++, and old C pass."""
    return (*(headers[flags] if candidate.language == "c++" else LENIENT_C), *candidate.flags)


def _build(candidate: Candidate, code: bytes, flags: Sequence[str], objects: Sequence[Path], executable: Path) -> None:
    driver = ["--driver-mode=g++"] if candidate.language == "c++" else []
    command = [str(find_toolchain().clang), *driver, "-w", *flags, *link_flags()]
    command += ["-x", candidate.language, "-", "-x", "none", *map(str, objects), "-o", str(executable), "-lm"]
    try:
        done = subprocess.run(command, input=code, capture_output=True, timeout=CLANG_SECONDS)
    except subprocess.TimeoutExpired:
        raise _LeftOut("takes too long to compile") from None
    if done.returncode:
        reason = first_error(done.stderr.decode(errors="replace"))
        raise _LeftOut(f"cannot be built: {reason}")


def _module(sandbox: Sandbox, candidate: Candidate, code: bytes, headers: Headers) -> ModuleFacts:
    flags = ["-w", *_flags(candidate, _UNOPTIMISED, headers)]
    bitcode = compile_to_bitcode(code, flags, Protocol.CLANG, candidate.language)
    facts = sandbox.call(read_module, (bitcode, Protocol.CLANG))
    if isinstance(facts, Failure):
        raise _LeftOut(str(facts))
    return facts


def _companion(sandbox: Sandbox, candidate: Candidate, headers: Headers) -> bytes:
    """The object file of the candidate's second source, unoptimised, with all but one function made internal."""
    if candidate.reference is None:
        return b""
    facts = _module(sandbox, candidate, candidate.reference(), headers)
    name = next((f.name for f in facts.functions if candidate.reference_function in f.name), None)
    if name is None:
        raise _LeftOut(f"defines no {candidate.reference_function}")
    subject = Subject(facts.bitcode, bitcode=True)
    result = next(sandbox.map(measurer, subject, [f"internalize<preserve-gv={name}>"]))
    data = result if isinstance(result, Failure) else sandbox.call(render, (result.bitcode or b"", "object"))
    if isinstance(data, Failure):
        raise _LeftOut(str(data))
    return data


def _write_part(part: Path, results: Sequence[Program | str]) -> None:
    rows: list[dict[str, Any]] = [asdict(r) for r in results if isinstance(r, Program)]
    with atomic(part.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(Counter(r for r in results if isinstance(r, str))))
    write_table(part, pa.Table.from_pylist(rows, schema=PROGRAM_SCHEMA))  # last: it says that the part is whole
