"""Differential testing of pass lists: run every program compiled with every list, and compare with its references."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from passformer.autotune.journal import Journal
from passformer.autotune.verified import Entry
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Failure, Pool, Sandbox
from passformer.verify.check import Case, Difference, Optimise, checker, optimise
from passformer.verify.execute import link_command
from passformer.verify.program import Outcome, Program


@dataclass(frozen=True, slots=True)
class Finding:
    """A program that a pass list breaks."""

    pass_list: PassList
    program: Program
    difference: Difference


@dataclass(frozen=True, slots=True)
class ListRecord(Entry):
    """What one pass list was put through, in full."""

    pass_list: PassList
    failures: int
    """Programs that LLVM did not survive, or refused; such a list never makes an output."""
    isolated: bool
    """Whether no run had a network."""
    example: str
    """The smallest program that behaved otherwise; empty where there is none."""

    def to_json(self) -> dict[str, Any]:
        """For the record."""
        return {**asdict(self), "pass_list": str(self.pass_list)}


def run_differential(
    programs: Sequence[Program],
    pass_lists: Sequence[PassList],
    folder: Path,
    pool: Pool,
    report: Report = silent,
    optimise_with: Optimise = optimise,
) -> tuple[list[ListRecord], list[Finding]]:
    """Check all lists on all programs; what `folder` has of it is not done again.

    Raises InputError for no programs or no lists.
    """
    if not programs or not pass_lists:
        raise InputError("nothing to verify: no program is left, or no pass list was given")
    major = find_toolchain().major
    pipelines = [p.pipeline(major) for p in pass_lists]
    journal = Journal(folder / f"verdicts-{_digest(pipelines)}.jsonl")
    by_id = {_identity(program): program for program in programs}

    def check(sandbox: Sandbox, item: tuple[str, Program]) -> dict[str, Any]:
        case = Case(item[1], link_command(item[1].language), optimise_with)
        verdicts = [_verdict_json(v) for v in sandbox.map(checker, case, pipelines)]
        return {"id": item[0], "verdicts": verdicts}

    waiting = [(i, p) for i, p in by_id.items() if i not in journal.done]
    report("running", len(by_id) - len(waiting), len(by_id))
    for record in pool.map(check, waiting):
        journal.append(record)
        report("running", len(journal.done & by_id.keys()), len(by_id))
    return _collect(journal, by_id, pass_lists)


def _collect(
    journal: Journal, programs: dict[str, Program], pass_lists: Sequence[PassList]
) -> tuple[list[ListRecord], list[Finding]]:
    ran, runs, failures, exposed = Counter[int](), Counter[int](), Counter[int](), Counter[int]()
    findings: list[list[Finding]] = [[] for _ in pass_lists]
    for record in journal.records():
        program = programs.get(record["id"])
        if program is None:
            continue
        for i, verdict in enumerate(record["verdicts"]):
            ran[i] += "runs" in verdict
            runs[i] += verdict.get("runs", 0)
            failures[i] += "failure" in verdict
            exposed[i] += not verdict.get("isolated", True)
            if "difference" in verdict:
                findings[i].append(Finding(pass_lists[i], program, _difference(verdict["difference"])))
    records = []
    for i, found in enumerate(findings):
        found.sort(key=lambda f: (f.program.instructions, f.program.name))
        example = f"{found[0].program.source}/{found[0].program.name}" if found else ""
        records.append(ListRecord(ran[i], runs[i], len(found), pass_lists[i], failures[i], not exposed[i], example))
    return records, [finding for found in findings for finding in found]


def _verdict_json(verdict: Any) -> dict[str, Any]:
    if isinstance(verdict, Failure):
        return {"failure": str(verdict)}
    plain: dict[str, Any] = {"runs": verdict.runs, "isolated": verdict.isolated}
    if verdict.difference:
        d = verdict.difference
        plain["difference"] = [list(d.arguments), *([o.status, o.stdout[:4000].hex()] for o in (d.expected, d.got))]
    return plain


def _difference(plain: list[Any]) -> Difference:
    arguments, expected, got = plain
    return Difference(tuple(arguments), *(Outcome(status, bytes.fromhex(text)) for status, text in (expected, got)))


def _identity(program: Program) -> str:
    """Of what is run: a program that was prepared anew with other code is another one."""
    digest = hashlib.blake2b(program.ir + program.companion, digest_size=8).hexdigest()
    return f"{program.source}/{program.name}/{digest}"


def _digest(pipelines: Sequence[str]) -> str:
    return hashlib.blake2b(json.dumps(list(pipelines)).encode(), digest_size=6).hexdigest()
