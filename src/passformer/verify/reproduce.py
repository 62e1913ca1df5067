"""Reduce a finding to the shortest pass list that still fails, and write down all that is needed to see it again."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from passformer.autotune.trial import minimise
from passformer.corpus.files import make_folder
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import PassList
from passformer.llvm.sandbox import Sandbox
from passformer.verify.check import Case, Optimise, Verdict, checker, optimise
from passformer.verify.differential import Finding
from passformer.verify.execute import link_command


@dataclass(frozen=True, slots=True)
class Reproducer:
    """The reduced finding."""

    name: str
    pass_list: PassList
    folder: Path


def reduce_finding(finding: Finding, sandbox: Sandbox, optimise_with: Optimise = optimise) -> PassList:
    """The shortest list, on the way of `minimise`, with which the program still behaves otherwise."""
    major = find_toolchain().major
    case = Case(finding.program, link_command(finding.program.language), optimise_with)

    def still_fails(candidate: PassList) -> bool:
        if not candidate.names:
            return False
        verdict = next(sandbox.map(checker, case, [candidate.pipeline(major)]))
        return isinstance(verdict, Verdict) and verdict.difference is not None

    return minimise(finding.pass_list, still_fails)


def write_reproducer(finding: Finding, pass_list: PassList, folder: Path) -> Reproducer:
    """A folder with the module, both outputs and a script that compiles and runs it with and without the list."""
    program, major = finding.program, find_toolchain().major
    label = "".join(c if c.isalnum() else "-" for c in f"{pass_list} {program.source} {program.name}".strip("- "))
    place = folder / label[:120]
    make_folder(place)
    (place / "module.bc").write_bytes(program.ir)
    if program.companion:
        (place / "companion.o").write_bytes(program.companion)
    (place / "expected.txt").write_bytes(finding.difference.expected.stdout)
    (place / "got.txt").write_bytes(finding.difference.got.stdout)
    about = {
        "pass_list": str(pass_list),
        "found_with": str(finding.pass_list),
        "program": f"{program.source}/{program.name}",
        "arguments": list(finding.difference.arguments),
        "expected_status": finding.difference.expected.status,
        "got_status": finding.difference.got.status,
        "llvm": major,
    }
    (place / "about.json").write_text(json.dumps(about, indent=2) + "\n")
    (place / "run.sh").write_text(_script(finding, pass_list, major))
    return Reproducer(place.name, pass_list, place)


def _script(finding: Finding, pass_list: PassList, major: int) -> str:
    compiler = f"clang++-{major}" if finding.program.language == "c++" else f"clang-{major}"
    companion = " companion.o" if finding.program.companion else ""
    arguments = shlex.join(finding.difference.arguments)
    lines = [
        "#!/bin/sh",
        "# Expected output, then that of the code after the pass list; they should be equal.",
        f"opt-{major} -passes={shlex.quote(pass_list.pipeline(major))} module.bc -o optimised.bc",
        f"llc-{major} -O2 -relocation-model=pic -filetype=obj module.bc -o plain.o",
        f"llc-{major} -O2 -relocation-model=pic -filetype=obj optimised.bc -o optimised.o",
        f"{compiler} plain.o{companion} -lm -o plain && ./plain {arguments}; echo status $?",
        f"{compiler} optimised.o{companion} -lm -o optimised && ./optimised {arguments}; echo status $?",
    ]
    return "\n".join(lines) + "\n"


def reproduce(
    findings: list[Finding], folder: Path, sandbox: Sandbox, optimise_with: Optimise = optimise
) -> list[Reproducer]:
    """One reproducer a failing list, of the smallest program that shows it; lists with one cause share theirs."""
    done: dict[str, Reproducer] = {}
    seen: set[PassList] = set()
    for finding in findings:  # the smallest program of each list comes first
        if finding.pass_list in seen:
            continue
        seen.add(finding.pass_list)
        reduced = reduce_finding(finding, sandbox, optimise_with)
        if str(reduced) not in done:
            done[str(reduced)] = write_reproducer(finding, reduced, folder)
    return list(done.values())
