"""What a model writes beside pass lists, on many functions: counts and optimised IR, judged by LLVM (paper, IV-D)."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from passformer.autotune.journal import Journal
from passformer.corpus.files import alone, atomic, claim
from passformer.corpus.normalize import normal_forms
from passformer.corpus.store import read_table, write_table
from passformer.evaluate.behaviour import behaviours
from passformer.evaluate.subjects import Subject, Subjects
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Failure, Pool, Sandbox
from passformer.methods.generation import Judged, Truth, judge, measures, write_on
from passformer.methods.method import Method, Task
from passformer.methods.model import Model, form_for, views_of
from passformer.model.decoding import best_first
from passformer.model.package import Package

SCHEMA = pa.schema(
    [
        ("function_id", pa.string()),
        ("pass_list", pa.string()),
        ("text", pa.string()),
        ("predicted_before", pa.int32()),
        ("before", pa.int32()),
        ("predicted_after", pa.int32()),
        ("after", pa.int32()),
        ("baseline", pa.int32()),
        ("expected_ir", pa.string()),
        ("error", pa.string()),
        ("compiles", pa.bool_()),
        ("exact", pa.bool_()),
        ("behaviour", pa.string()),
    ]
)
"""generated.parquet; `error` is LLVM's first complaint, or why the text is no answer; `behaviour` is null where the
code is exact or does not compile (see `behaviours`)."""
WRITTEN_BY = ("model.onnx", "tokenizer.json")
"""The files of a runtime folder that what is written depends on: not which lists are chosen to be tried."""
_HEAD_TOKENS = 40
"""What the counts and the words around them take at most."""


def generate(
    subjects: Subjects,
    method: Method,
    folder: Path,
    pool: Pool,
    number: int,
    budget: int = 0,
    drivers: Path | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """Let the model write whole answers for the first `number` subjects; resumable. Returns the measures.

    `drivers` is Jotai's folder, whose programs run what compiles and differs from the truth. The prompt is the one
    that the budget allows; the list is the model's most probable one; code ends where training cut it.
    Raises InputError for a method that writes nothing.
    """
    if not isinstance(method, Model):
        raise InputError("only the method `model` writes code: --generate goes with --method model")
    package = method.package
    with alone(folder):
        digests = {name: package.facts.digests[name] for name in WRITTEN_BY}
        wanted = {"number": number, "budget": budget, "digests": digests}
        claim(folder / "generation-settings.json", wanted, f"{folder} holds other generated code: choose another --out")
        journal = Journal(folder / "generated.jsonl")
        llvm = find_toolchain().major
        chosen = sorted(subjects.items, key=lambda s: s.id)[:number]  # ids of functions are hashes: a random sample

        def one(sandbox: Sandbox, subject: Subject) -> dict[str, Any]:
            task = Task(subject.ir, llvm, subjects.protocol)
            return {"id": subject.id, **_write_one(package, task, budget, sandbox)}

        todo = [s for s in chosen if s.id not in journal.done]
        for record in pool.map(one, todo):
            journal.append(record)
            report("writing optimised code", len(journal.done), len(chosen))
        records = sorted(journal.records(), key=lambda record: str(record["id"]))
        written = {str(r["id"]): r for r in records if "text" in r}
        judged = dict(zip(written, pool.map(_judge, written.values()), strict=True))
        behaviour = behaviours(judged, drivers, folder / "programs", pool, report)
        rows = [_row(written[id_], j, behaviour.get(id_)) for id_, j in judged.items()]
        write_table(folder / "generated.parquet", pa.Table.from_pylist(rows, schema=SCHEMA))
        counts = Counter(behaviour.values())
        figures = {"left_out": len(records) - len(judged), **measures(list(judged.values())), **counts}
        with atomic(folder / "generation.json") as temporary:
            temporary.write_text(json.dumps(figures, indent=1) + "\n")
        return figures


def _write_one(package: Package, task: Task, budget: int, sandbox: Sandbox) -> dict[str, Any]:
    """What is written, and what is true; nothing where LLVM fails on the function or the list."""
    form = form_for(package, budget)
    views = views_of(task, budget > 0, sandbox)
    if len(views) != 1:
        return {}
    (view,) = views
    writer = package.writer
    prompt = writer.prompt(form, writer.view(view.unoptimised, view.after_oz)).tolist()
    (best,) = best_first(package.model, prompt, package.grammar, 1)
    text = write_on(package.model, package.tokenizer, package.grammar, best, package.facts.max_ir + _HEAD_TOKENS)
    pass_list = PassList(best.names)
    pipelines = ["", *(p.pipeline(task.llvm, task.protocol) for p in (pass_list, OZ))]
    forms = [form for form in sandbox.map(normal_forms, task.ir, pipelines) if not isinstance(form, Failure)]
    if len(forms) != len(pipelines):
        return {}
    (_, before), (expected, after), (_, baseline) = forms
    counts = {"before": before, "after": after, "baseline": baseline}
    return {"pass_list": str(pass_list), "text": text, "expected_ir": expected, **counts}


def _judge(sandbox: Sandbox, record: dict[str, Any]) -> Judged:
    return judge(record["text"], Truth(record["before"], record["after"], record["expected_ir"]), sandbox)


def _row(record: dict[str, Any], judged: Judged, behaviour: str | None) -> dict[str, Any]:
    answer = judged.answer
    return {
        "function_id": record["id"],
        **{key: record[key] for key in ("pass_list", "text", "before", "after", "baseline", "expected_ir")},
        "predicted_before": answer.before if answer else None,
        "predicted_after": answer.after if answer else None,
        "error": judged.error,
        "compiles": judged.compiles,
        "exact": judged.exact,
        "behaviour": behaviour,
    }


def read_generated(folder: Path) -> Sequence[dict[str, Any]]:
    """The rows of a run folder; none where nothing was generated there."""
    file = folder / "generated.parquet"
    rows: list[dict[str, Any]] = read_table(file, SCHEMA.names).to_pylist() if file.exists() else []
    return rows
