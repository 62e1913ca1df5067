"""Autotuning a corpus from end to end: gains, files, resuming, engines, bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from passformer.autotune.coreset import load_coreset
from passformer.autotune.engine import dask_engine, local_engine
from passformer.autotune.labels import canonical, entropy, ranks, write_labels
from passformer.autotune.select import make_coreset
from passformer.autotune.tune import Settings, autotune, check_settings
from passformer.autotune.tunings import LOST, iterate, read_tunings, to_matrix
from passformer.corpus.build import Settings as BuildSettings
from passformer.corpus.build import build_corpus
from passformer.corpus.store import Corpus, read_table, write_corpus
from passformer.llvm.errors import InputError
from passformer.llvm.measure import Subject, measurer
from passformer.llvm.objective import Objective
from passformer.llvm.passlist import OZ
from passformer.llvm.sandbox import Limits
from reference import PROGRAMS

SETTINGS = Settings(budget=8, sample=30, search_budget=60, seed=3)
LIMITS = Limits(cpu_seconds=5)


def tune(corpus, folder, settings=SETTINGS, engine=None):
    with engine or local_engine(2, LIMITS) as workers:
        return autotune(corpus, folder, workers, settings)


@pytest.fixture(scope="module")
def tuned(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "default"
    return folder, tune(corpus, folder)


def test_every_function_is_tuned_and_something_is_gained(tuned, functions):
    _, summary = tuned
    assert summary["functions"] == len(functions)
    assert summary["improvement"] > 0
    assert 0 < summary["improved"] <= len(functions)
    assert summary["compilations"] >= 30 * 60 + 8 * len(functions)


def test_the_rows_are_true(tuned, functions, sandbox, major):
    """Each row, run again as a whole by other code, gives its count; sums give the summary's improvement."""
    folder, summary = tuned
    by_id = {f.id: f for f in functions}
    rows = list(iterate(read_tunings([folder])))
    assert len(rows) >= 9 * len(functions)
    for row in rows[:: max(1, len(rows) // 150)]:
        measured = next(sandbox.map(measurer, Subject(by_id[row.function_id].ir), [row.pass_list.pipeline(major)]))
        assert measured.instructions == row.count, row
    baseline = {r.function_id: r.count for r in rows if r.pass_list == OZ}
    best = {i: min(r.count for r in rows if r.function_id == i) for i in baseline}
    total = sum(baseline.values())
    assert summary["improvement"] == pytest.approx(100 * (total - sum(best.values())) / total, abs=1e-4)


def test_a_matrix_has_every_function_and_list(tuned, functions):
    folder, _ = tuned
    matrix = to_matrix(read_tunings([folder]))
    assert matrix.function_ids == [f.id for f in functions]
    assert matrix.counts.shape == (len(functions), len(matrix.pass_lists))
    assert len(matrix.pass_lists) == 8
    assert (matrix.counts < LOST).all() and (matrix.baseline > 0).all()
    rows = {(r.function_id, r.pass_list): r.count for r in iterate(read_tunings([folder]))}
    assert rows[matrix.function_ids[5], matrix.pass_lists[2]] == matrix.counts[5, 2]


def test_a_finished_run_is_not_done_again(tuned, corpus):
    folder, summary = tuned
    again = tune(corpus, folder)
    assert again["compilations"] == 0 and again["improvement"] == summary["improvement"]


def test_the_same_seed_gives_the_same_files(tuned, corpus, tmp_path):
    folder, _ = tuned
    tune(corpus, tmp_path / "again")
    assert read_table(tmp_path / "again" / "tunings.parquet").equals(read_table(folder / "tunings.parquet"))


def test_other_settings_are_refused_in_the_same_place(tuned, corpus):
    with pytest.raises(InputError, match="--name"):
        tune(corpus, tuned[0], replace(SETTINGS, budget=9))


def test_a_coreset_file_takes_the_place_of_selection(tuned, corpus, tmp_path):
    settings = Settings(budget=3, sample=0, lists=str(tuned[0] / "lists.toml"))
    summary = tune(corpus, tmp_path / "lists", settings)
    matrix = to_matrix(read_tunings([tmp_path / "lists"]))
    chosen = load_coreset(tuned[0] / "lists.toml").pass_lists[:3]
    assert matrix.pass_lists == list(chosen)
    assert summary["compilations"] == len(chosen) * summary["functions"]


def test_killed_anywhere_it_goes_on_and_ends_the_same(tuned, corpus, tmp_path):
    """kill -9 again and again: no function is tuned twice, and the result is that of the run nobody killed."""
    name = f"killed-{os.getpid()}"
    folder = corpus.folder / "tunings" / name
    arguments = ["--budget", "8", "--sample", "30", "--search-budget", "60", "--seed", "3", "--name", name, "--json"]
    command = [sys.executable, "-m", "passformer", "autotune", str(corpus.folder), *arguments]
    finished: list[str] = []
    for seconds in (1.2, 1.6, 2.0, 2.4):
        job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        if (folder / "search.jsonl").exists():
            lines = [json.loads(line)["id"] for line in (folder / "search.jsonl").read_text().splitlines()]
            assert len(set(lines)) == len(lines) and lines[: len(finished)] == finished
            finished = lines
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["improvement"] == tuned[1]["improvement"]
    assert read_table(folder / "tunings.parquet").equals(read_table(tuned[0] / "tunings.parquet"))


def test_dask_gives_what_local_gives(tuned, corpus, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        summary = tune(corpus, tmp_path / "dask", engine=dask_engine(cluster.scheduler_address, LIMITS))
    assert summary["improvement"] == tuned[1]["improvement"]
    assert read_table(tmp_path / "dask" / "tunings.parquet").equals(read_table(tuned[0] / "tunings.parquet"))


def test_a_coreset_keeps_most_of_the_gain(tuned, corpus, tmp_path):
    folder, summary = tuned
    whole = make_coreset(corpus, folder, 8, tmp_path / "c.toml")
    few = make_coreset(corpus, folder, 3, tmp_path / "d.toml")
    assert 0 < few["improvement"] <= whole["improvement"] <= summary["improvement"] + 1e-9
    assert [row["pass_list"] for row in few["lists"]] == [row["pass_list"] for row in whole["lists"]][:3]
    improvements = [row["improvement"] for row in whole["lists"]]
    assert improvements == sorted(improvements)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (replace(SETTINGS, search="magic"), "choose from mutation|choose from random"),
        (replace(SETTINGS, splits=("tset",)), "choose from train"),
        (replace(SETTINGS, lists="nowhere.toml"), "nowhere.toml"),
    ],
)
def test_bad_settings_are_named(settings, said):
    with pytest.raises(InputError, match=said):
        check_settings(settings)


def test_tunings_that_are_not_there_are_asked_for(corpus, tmp_path):
    with pytest.raises(InputError, match="passformer autotune"):
        make_coreset(corpus, tmp_path, 3, tmp_path / "x.toml")
    with pytest.raises(InputError, match="is no corpus"):
        Corpus(tmp_path)


def test_labels_are_the_commonest_of_the_best(tuned, tmp_path):
    folder, summary = tuned
    result = write_labels([folder], tmp_path / "labels.parquet")
    rows = read_table(tmp_path / "labels.parquet").to_pylist()
    assert result["functions"] == summary["functions"] == len(rows)
    assert result["improved"] == summary["improved"] == sum(r["count"] < r["baseline"] for r in rows)
    assert result["entropy_after"] <= result["entropy_before"]
    tunings = {(t.function_id, str(t.pass_list)): t.count for t in iterate(read_tunings([folder]))}
    best = {i: min(c for (j, _), c in tunings.items() if j == i) for i in {i for i, _ in tunings}}
    for row in rows:
        assert tunings[row["function_id"], row["pass_list"]] == row["count"] == best[row["function_id"]]
        assert (row["pass_list"] == "-Oz") == (row["count"] == row["baseline"])
        better = {text: c for (i, text), c in tunings.items() if i == row["function_id"] and c < row["baseline"]}
        assert {b["pass_list"]: b["count"] for b in row["better"]} == better
        assert [b["count"] for b in row["better"]] == sorted(better.values())
        assert not better or row["better"][0]["pass_list"] == row["pass_list"]


def test_canonical_prefers_frequent_then_short():
    names = ["-sroa -Oz", "-gvn -Oz", "-gvn -sroa -Oz", "-Oz"]
    a, b, long, oz = range(4)
    pairs = np.array([(0, a), (0, b), (0, long), (1, b), (1, long), (2, a), (2, long), (3, oz), (4, a), (4, b)])
    # a, b and long win three times each: the shorter ones go first, and of these the first by name.
    assert list(canonical(pairs, ranks(np.array([3, 3, 3, 0]), names))) == [b, b, a, oz, b]
    assert list(canonical(pairs, ranks(np.array([3, 3, 4, 0]), names))) == [long, long, long, oz, b]


def test_entropy_in_bits():
    assert entropy(np.array([1, 2])) == 1 and entropy(np.array([1, 1])) == 0 and entropy(np.array([])) == 0


def test_whole_modules_are_tuned_for_bytes_of_text(tmp_path, pool, sandbox, major):
    """The counts of a run for `text` are what an object of the whole module measures."""
    out = tmp_path / "corpus"
    manifest = build_corpus([f"dir:{PROGRAMS}"], out, pool, BuildSettings(modules=True))
    corpus = Corpus(out)
    number = len([*PROGRAMS.glob("*.c"), *PROGRAMS.glob("*.cpp")])
    assert corpus.modules and manifest["functions"] == number == len(list(corpus.functions()))
    folder = out / "tunings" / "default"
    settings = Settings(budget=3, sample=3, search_budget=20, objective=Objective.TEXT)
    summary = tune(corpus, folder, settings)
    assert summary["functions"] == number and summary["improvement"] > 0
    modules = {f.id: f for f in corpus.functions()}
    for row in iterate(read_tunings([folder], Objective.TEXT)):
        subject = Subject(modules[row.function_id].ir, text_bytes=True)
        (measured,) = sandbox.map(measurer, subject, [row.pass_list.pipeline(major)])
        assert measured.text_bytes == row.count, row
    make_coreset(corpus, folder, 2, tmp_path / "text.toml")
    assert load_coreset(tmp_path / "text.toml").objective == "text"
    with pytest.raises(InputError, match="tuned for text"):
        write_labels([folder], tmp_path / "labels.parquet")


def test_a_sample_without_a_winner_is_no_trouble(tmp_path, corpus):
    """Where the search finds nothing, the broadcast tries random lists."""
    smallest = sorted(corpus.functions(), key=lambda f: (f.instructions, f.id))[:3]
    write_corpus(tmp_path, smallest, corpus.manifest)
    summary = tune(Corpus(tmp_path), tmp_path / "run", Settings(budget=4, sample=2, search_budget=3))
    assert summary["functions"] == 3 and summary["stages"]["select"]["compilations"] == 0
    assert summary["stages"]["broadcast"]["compilations"] > 0
