"""Generated code that compiles but is not what the list gives: does it do the same? Jotai's drivers run it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.methods.generation import Judged
from passformer.verify.prepare import prepare
from passformer.verify.program import Candidate, Program
from passformer.verify.sources import jotai
from passformer.verify.transplant import defines, try_bodies

EQUIVALENT, DIFFERENT, UNTESTED = "equivalent", "different", "untested"
_DEFINED = re.compile(r"^define [^@\n]*@([\w.$]+)\(", re.MULTILINE)


def behaviours(
    answers: Mapping[str, Judged], drivers: Path | None, folder: Path, pool: Pool, report: Report = silent
) -> dict[str, str]:
    """Function id -> what its code does, for each answer that compiles and differs from the truth in its text.

    `equivalent`: every run of the function's Jotai program is as with the function itself. `untested`: no driver in
    the folder `drivers` has the function and runs clean, or the program fails with the true code in its normal form
    too, which has lost what the calling convention may need. `folder` keeps the prepared programs.
    """
    asked = {id_: j for id_, j in answers.items() if j.compiles and not j.exact}
    verdicts = dict.fromkeys(asked, UNTESTED)
    if drivers is None or not asked:
        return verdicts
    names = {id_: found[1] for id_, j in asked.items() if (found := _DEFINED.search(j.truth.ir))}
    programs, _ = prepare(_candidates(drivers, set(names.values())), folder, pool, report)
    items = [(id_, names[id_], asked[id_], programs) for id_ in names]
    for done, (id_, verdict) in enumerate(pool.map(_verdict, items), 1):
        verdicts[id_] = verdict
        report("running generated code", done, len(items))
    return verdicts


def _candidates(drivers: Path, functions: set[str]) -> Sequence[Candidate]:
    return [c for c in jotai.candidates(str(drivers)) if jotai.function_of(c.name) in functions]


def _verdict(sandbox: Sandbox, item: tuple[str, str, Judged, Sequence[Program]]) -> tuple[str, str]:
    id_, name, judged, programs = item
    assert judged.answer is not None, "it compiles"
    for program in programs:
        if jotai.function_of(program.name) == name and defines(program, name, id_, sandbox):
            true, written = try_bodies(program, name, [judged.truth.ir, judged.answer.ir], sandbox)
            if true and written is not None:
                return id_, EQUIVALENT if written else DIFFERENT
    return id_, UNTESTED
