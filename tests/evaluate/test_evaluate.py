"""Evaluation: what is summed is what was run, whoever proposed it."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from passformer.autotune.coreset import shipped_coreset
from passformer.autotune.engine import local_engine
from passformer.autotune.tune import Settings as TuneSettings
from passformer.autotune.tune import autotune
from passformer.corpus.store import Corpus, read_table
from passformer.dataset.opcodes import opcode_counts
from passformer.evaluate.evaluate import Settings, evaluate
from passformer.evaluate.generation import generate, read_generated
from passformer.evaluate.methods import METHODS, Options, identity
from passformer.evaluate.results import at_budget, bootstrap, read_results, summarise
from passformer.evaluate.subjects import best_known, read_subjects
from passformer.evaluate.wins import best_lists, read_wins
from passformer.llvm.errors import InputError
from passformer.llvm.measure import Subject, measurer
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Limits
from passformer.methods.method import Proposal
from passformer.methods.registry import make_method
from reference import PROGRAMS


@pytest.fixture(scope="module")
def subjects(labelled, pool):
    return read_subjects(labelled, pool)


@pytest.fixture(scope="module")
def options(labelled, dataset, package, agent, network):
    return Options(3, package, labelled)


class Fixed:
    """Proposes the same lists for all."""

    def __init__(self, *texts: str) -> None:
        self.lists = tuple(map(PassList.parse, texts))

    def propose(self, tasks, budget, pool):
        return (Proposal(self.lists) for _ in tasks)


@pytest.mark.parametrize("budget", [0, 3])
@pytest.mark.parametrize("name", METHODS)
def test_every_method(name, budget, subjects, options, pool, tmp_path, major):
    settings = Settings(name, budget, 3, identity(name, options))
    summary = evaluate(subjects, make_method(name, options, METHODS), tmp_path / "a", pool, settings)
    results = read_results(tmp_path / "a" / "results.parquet")
    assert summary["functions"] == len(results) == len(subjects.items) and summary["failed"] == 0
    assert summary["additional_compilations"] <= budget * len(results)
    if budget:
        assert summary["regressed"] == 0
    irs = {s.id: s.ir for s in subjects.items}
    for row in results:
        pipelines = [OZ.pipeline(major), PassList.parse(row.pass_list).pipeline(major)]
        shown = Subject(irs[row.function_id], text_bytes=True)
        oz, chosen = pool.call(lambda sandbox, s=shown, p=pipelines: list(sandbox.map(measurer, s, p)))
        assert (row.baseline, row.result) == (oz.instructions, chosen.instructions)
        assert (row.baseline_text, row.result_text) == (oz.text_bytes, chosen.text_bytes)
    again = evaluate(subjects, make_method(name, options, METHODS), tmp_path / "b", pool, settings)
    different = {key for key in summary if summary[key] != again[key]}
    assert different <= {"seconds", "cpu_seconds", "folder"}


def test_what_was_learnt_elsewhere_is_another_evaluation(options, tmp_path):
    for name, file in (("trees", "tunings/default/tunings.parquet"), ("nearest", "dataset/tokens-train.parquet")):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_bytes(b"another")
        assert "" != identity(name, options) != identity(name, dataclasses.replace(options, training=tmp_path)) != ""
    assert identity("oz", options) == ""


def test_oz_against_itself_is_nothing(subjects, pool, options, tmp_path):
    summary = evaluate(subjects, make_method("oz", options), tmp_path, pool, Settings("oz"))
    assert (summary["improved"], summary["regressed"], summary["overall_improvement"]) == (0, 0, 0.0)
    assert summary["capture"] == 0.0 and summary["text_bytes_saved"] == 0 and summary["interval"] == [0.0, 0.0]


def test_the_sums_are_those_of_the_rows(subjects, pool, tmp_path):
    method = Fixed("-O1", "-O2 -Oz")
    summary = evaluate(subjects, method, tmp_path, pool, Settings("fixed", 0))
    rows = read_table(tmp_path / "results.parquet").to_pylist()
    assert summary["improved"] == sum(r["result"] < r["baseline"] for r in rows)
    assert summary["regressed"] == sum(r["result"] > r["baseline"] for r in rows) > 0
    assert summary["instructions_regressed"] == sum(max(r["result"] - r["baseline"], 0) for r in rows)
    assert summary["instructions_saved"] == sum(max(r["baseline"] - r["result"], 0) for r in rows)
    before, after = sum(r["baseline"] for r in rows), sum(r["result"] for r in rows)
    assert summary["overall_improvement"] == pytest.approx(100 * (before - after) / before, abs=1e-4)
    assert all(r["pass_list"] == "-O1" and len(r["proposed"]) == 1 for r in rows)


def test_with_a_budget_the_smallest_is_taken_and_what_crashes_is_not(subjects, pool, tmp_path):
    lists = ("-Oz -function-import", "-O1", "-Oz", "-Oz -gvn-hoist")
    summary = evaluate(subjects, Fixed(*lists), tmp_path / "a", pool, Settings("fixed", 4))
    rows = read_results(tmp_path / "a" / "results.parquet")
    assert all(r.proposed[0] == ("-Oz -function-import", None) for r in rows)
    assert all(r.result == min([r.baseline, *(c for _, c in r.proposed if c)]) and r.compilations == 3 for r in rows)
    assert summary["additional_compilations"] == 3 * len(rows)
    assert at_budget(rows, 4).tolist() == [r.result for r in rows]
    assert at_budget(rows, 0).tolist() == [r.baseline for r in rows]
    one_shot = evaluate(subjects, Fixed(*lists), tmp_path / "b", pool, Settings("fixed", 0))
    assert one_shot["additional_compilations"] == len(rows), "-Oz had to take the place of a list that crashed"
    assert one_shot["overall_improvement"] == 0.0


def test_the_capture_is_the_share_of_what_tuning_found(subjects, labelled, pool, tmp_path):
    ids = {s.id for s in subjects.items}
    assert best_known(labelled, ids).keys() == ids and best_known(labelled, {*ids, "unknown"}) == {}
    evaluate(subjects, Fixed("-O1"), tmp_path, pool, Settings("fixed", 1))
    results = read_results(tmp_path / "results.parquet")
    found = summarise(results)
    gain, saved = (sum(r.baseline - count(r) for r in results) for count in (lambda r: r.best, lambda r: r.result))
    assert gain > 0 and found["capture"] == pytest.approx(100 * saved / gain, abs=0.01)
    unknown = summarise([dataclasses.replace(results[0], best=None), *results[1:]])
    assert unknown["capture"] is None and unknown["autotuner_improvement"] is None


def test_a_killed_run_goes_on_and_a_finished_one_is_shown_again(subjects, pool, tmp_path):
    class Dies(Fixed):
        def propose(self, tasks, budget, pool):
            for number, _ in enumerate(tasks):
                if number == 5:
                    raise KeyboardInterrupt
                yield Proposal(self.lists)

    settings = Settings("fixed", 1)
    with pytest.raises(KeyboardInterrupt):
        evaluate(subjects, Dies("-O2"), tmp_path, pool, settings)
    evaluate(subjects, Fixed("-O2"), tmp_path, pool, settings)
    reference = evaluate(subjects, Fixed("-O2"), tmp_path / "whole", pool, settings)
    columns = ["function_id", "pass_list", "result", "result_text"]
    results = [read_table(folder / "results.parquet", columns) for folder in (tmp_path, tmp_path / "whole")]
    assert results[0] == results[1]
    assert evaluate(subjects, Dies("-O2"), tmp_path / "whole", pool, settings) == json.loads(json.dumps(reference))
    with pytest.raises(InputError, match="holds an evaluation of something else"):
        evaluate(subjects, Fixed("-O2"), tmp_path, pool, Settings("fixed", 2))


def test_a_sample_is_what_the_autotuner_searches_on(labelled, tmp_path, pool):
    all_ids = [s.id for s in read_subjects(labelled, pool).items]
    settings = TuneSettings(budget=2, sample=3, search_budget=4, splits=("test",))
    with local_engine(2, Limits(cpu_seconds=5)) as engine:
        autotune(Corpus(labelled), tmp_path / "run", engine, settings)
    searched = read_table(tmp_path / "run" / "searches.parquet")["function_id"].to_pylist()
    chosen = [s.id for s in read_subjects(labelled, pool, sample=3).items]
    assert set(chosen) == set(searched) < set(all_ids)


def test_a_folder_of_files(tmp_path, pool):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ll").write_text("define i32 @f(i32 %x) {\n %y = add i32 %x, 0\n ret i32 %y\n}\n")
    subjects = read_subjects(tmp_path / "in", pool)
    assert [s.id for s in subjects.items] == ["a.ll"] and subjects.split == "files" and subjects.best == {}
    summary = evaluate(subjects, Fixed("-Oz"), tmp_path / "out", pool, Settings("fixed"))
    assert summary["functions"] == 1 and summary["capture"] is None
    with pytest.raises(InputError, match="neither a corpus nor a folder"):
        read_subjects(tmp_path / "out", pool)


def test_the_interval_holds_the_improvement():
    rng = np.random.default_rng(0)
    baseline = rng.integers(10, 100, 400)
    result = baseline - rng.integers(0, 4, 400)
    low, high = bootstrap(baseline, result)
    middle = 100 * (baseline - result).sum() / baseline.sum()
    assert low < middle < high < low + 1 and bootstrap(baseline[:0], result[:0]) == [0.0, 0.0]


def test_the_command(labelled, tmp_path):
    command = [sys.executable, "-m", "passformer", "evaluate", "--functions", str(labelled), "--method", "coreset"]
    command += ["--budget", "2", "--out", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["functions"] == len(list(Corpus(labelled).functions(["test"]))) and summary["capture"] is not None
    first = {str(p) for p in shipped_coreset("instructions").pass_lists[:2]}
    assert {p for r in read_results(tmp_path / "results.parquet") for p, _ in r.proposed} <= first
    shutil.rmtree(tmp_path)
    for wrong in (["--method", "guess"], ["--functions", str(PROGRAMS)]):
        done = subprocess.run([*command, *wrong], capture_output=True, text=True)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_where_a_method_beats_every_search_the_code_is_kept(subjects, labelled, pool, tmp_path):
    """A tuning run that knows -Oz alone is beaten by many lists."""
    unknowing = dataclasses.replace(subjects, best={s.id: 10**6 for s in subjects.items})
    evaluate(unknowing, Fixed("-Oz -gvn-hoist"), tmp_path, pool, Settings("fixed", 1))
    wins = read_wins(tmp_path)
    assert 1 <= len(wins) <= 3 and read_wins(labelled) == []
    for win in wins:
        assert list(win["lists"]) == ["-Oz", "autotuner", "fixed"]
        for found in win["lists"].values():
            assert opcode_counts(found["ir"]).total() == found["instructions"]
        known = best_lists(labelled, [win["function_id"]])[win["function_id"]]
        assert win["lists"]["autotuner"]["pass_list"] == str(known)
        assert win["lists"]["autotuner"]["instructions"] == subjects.best[win["function_id"]]


def test_generated_code_is_kept_with_the_truth(labelled, subjects, options, pool, tmp_path, major):
    method = make_method("model", options)
    figures = generate(subjects, method, tmp_path, pool, 6)
    rows = read_generated(tmp_path)
    assert figures["answers"] == len(rows) == 6 and figures["left_out"] == 0
    irs = {s.id: s.ir for s in subjects.items}
    for row in rows:
        shown = Subject(irs[row["function_id"]])
        pipelines = [OZ.pipeline(major), PassList.parse(row["pass_list"]).pipeline(major)]
        oz, chosen = pool.call(lambda sandbox, s=shown, p=pipelines: list(sandbox.map(measurer, s, p)))
        assert (row["baseline"], row["after"]) == (oz.instructions, chosen.instructions)
        assert row["text"].startswith(f"Run passes {row['pass_list']} ") and "define " in row["expected_ir"]
    assert generate(subjects, method, tmp_path, pool, 6) == figures and read_generated(labelled) == []
    with pytest.raises(InputError, match="holds other generated code"):
        generate(subjects, method, tmp_path, pool, 7)
    with pytest.raises(InputError, match="only the method `model`"):
        generate(subjects, make_method("oz", options), tmp_path, pool, 1)
