"""Run a method over functions: what it proposes is run by LLVM, and every function leaves a row."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from passformer.autotune.journal import Journal
from passformer.autotune.statetable import Evaluation, whole_runner
from passformer.autotune.trial import Trial
from passformer.corpus.files import alone, atomic, claim
from passformer.evaluate.results import Result, summarise, write_results
from passformer.evaluate.subjects import Subject, Subjects
from passformer.evaluate.wins import write_wins
from passformer.llvm.errors import CompilerError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Measurement, measurer
from passformer.llvm.measure import Subject as Measured
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.methods.method import Method, Proposal, Task, check_budget, lowered

_CHUNK = 500
"""Functions that a method is asked about at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is evaluated, and so what a run may be resumed with."""

    method: str
    budget: int = 0
    seed: int = 0
    identity: str = ""
    """What else the method's answers depend on: the digest of a model, for example."""


def evaluate(
    subjects: Subjects,
    method: Method,
    folder: Path,
    pool: Pool,
    settings: Settings,
    report: Report = silent,
) -> dict[str, Any]:
    """Evaluate or go on; `folder` gets results.parquet, wins.json and summary.json. Returns the summary.

    A finished run is not done again. Raises InputError where the folder holds one of other subjects or settings.
    """
    check_budget(settings.budget)
    with alone(folder):
        return _evaluate(subjects, method, folder, pool, settings, report)


def _evaluate(
    subjects: Subjects, method: Method, folder: Path, pool: Pool, settings: Settings, report: Report
) -> dict[str, Any]:
    llvm = find_toolchain().major
    wanted = {**asdict(settings), "llvm": llvm, "protocol": subjects.protocol, "subjects": subjects.digest}
    claim(folder / "settings.json", wanted, f"{folder} holds an evaluation of something else: choose another --out")
    if (folder / "summary.json").exists():
        finished: dict[str, Any] = json.loads((folder / "summary.json").read_text())
        return finished
    started = time.perf_counter()
    journal = Journal(folder / "rows.jsonl")
    todo = [s for s in subjects.items if s.id not in journal.done]
    step = f"evaluating {settings.method}"
    report(step, len(journal.done), len(subjects.items))

    def measured(sandbox: Sandbox, item: tuple[Subject, Proposal]) -> dict[str, Any]:
        subject, proposal = item
        task = Task(subject.ir, llvm, subjects.protocol)
        try:
            return {"id": subject.id, **_measure(sandbox, task, proposal, settings.budget)}
        except CompilerError as error:  # on -Oz itself: there is nothing to compare with
            return {"id": subject.id, "failed": str(error)}

    for start in range(0, len(todo), _CHUNK):
        chunk = todo[start : start + _CHUNK]
        tasks = [Task(s.ir, llvm, subjects.protocol) for s in chunk]
        proposals = method.propose(tasks, settings.budget, pool)
        for record in pool.map(measured, zip(chunk, proposals, strict=True)):
            journal.append(record)
            report(step, len(journal.done), len(subjects.items))
    records = {record["id"]: record for record in journal.records()}
    measurable = [s for s in subjects.items if "failed" not in records[s.id]]
    results = [_result(settings, s, records[s.id], subjects.best.get(s.id)) for s in measurable]
    write_results(folder / "results.parquet", results)
    if settings.method != "autotuner":
        write_wins(folder / "wins.json", results, subjects, llvm, pool)
    summary = {
        **asdict(settings),
        "llvm": llvm,
        "protocol": subjects.protocol,
        "split": subjects.split,
        **summarise(results, settings.seed),
        "failed": len(subjects.items) - len(measurable),
        "seconds": round(time.perf_counter() - started, 3),
        "folder": str(folder),
    }
    with atomic(folder / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n")
    journal.path.unlink(missing_ok=True)  # what it held is in results.parquet
    return summary


def _measure(sandbox: Sandbox, task: Task, proposal: Proposal, budget: int) -> dict[str, Any]:
    """Run what a method proposes. Without a budget the first list is the answer, -Oz if LLVM does not survive it."""
    proposed = proposal.pass_lists[: max(budget, 1)]
    run = [lowered(p) for p in proposed]
    trial = Trial(sandbox, task.ir, task.llvm, len(run), task.protocol)
    trial.try_lists(run)
    counts = [trial.results.get(p) for p in run]
    outcomes = [(p, c) for p, c in zip(proposed, counts, strict=True) if c is not None]
    if budget == 0:
        chosen, result = outcomes[0] if outcomes else (OZ, trial.baseline)
        compilations = proposal.compilations + (not outcomes)
        cpu_seconds = _cpu_seconds_of(chosen, task, sandbox)
    else:
        chosen, result = min([(OZ, trial.baseline), *outcomes], key=lambda outcome: outcome[1])
        compilations = proposal.compilations or len(set(proposed) - {OZ})
        cpu_seconds = trial.cpu_seconds
    texts = _text_bytes(sandbox, task, [OZ, chosen])
    return {
        "pass_list": str(chosen),
        "baseline": trial.baseline,
        "result": result,
        "compilations": compilations,
        "baseline_text": texts[0],
        "result_text": texts[1],
        "cpu_seconds": round(proposal.cpu_seconds + cpu_seconds, 6),
        "proposed": [[str(p), c] for p, c in zip(proposed, counts, strict=True)],
    }


def _cpu_seconds_of(pass_list: PassList, task: Task, sandbox: Sandbox) -> float:
    """Of running it alone, from the beginning."""
    pipeline = lowered(pass_list).pipeline(task.llvm, task.protocol)
    (evaluation,) = sandbox.map(whole_runner, task.ir, [[pipeline]])
    return evaluation.cpu_seconds if isinstance(evaluation, Evaluation) else 0.0


def _text_bytes(sandbox: Sandbox, task: Task, pass_lists: Sequence[PassList]) -> list[int | None]:
    """Bytes of code and read-only data after each list; None where LLVM cannot emit it."""
    pipelines = [lowered(p).pipeline(task.llvm, task.protocol) for p in pass_lists]
    outcomes = sandbox.map(measurer, Measured(task.ir, text_bytes=True), pipelines)
    return [outcome.text_bytes if isinstance(outcome, Measurement) else None for outcome in outcomes]


def _result(settings: Settings, subject: Subject, record: Mapping[str, Any], best: int | None) -> Result:
    fields = {key: value for key, value in record.items() if key not in ("id", "proposed")}
    proposed = tuple((text, count) for text, count in record["proposed"])
    return Result(
        method=settings.method,
        budget=settings.budget,
        function_id=subject.id,
        source=subject.source,
        instructions=subject.instructions,
        best=best,
        proposed=proposed,
        **fields,
    )
