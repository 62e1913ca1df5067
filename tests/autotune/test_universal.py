"""Universal lists: what is said of them is true, functions made larger cost their price, a killed search goes on."""

import json
import shutil

import numpy as np
import pytest

from passformer.autotune import universal as module
from passformer.autotune.coreset import load_coreset
from passformer.autotune.engine import local_engine
from passformer.autotune.select import make_coreset
from passformer.autotune.tune import Settings as TuneSettings
from passformer.autotune.tune import autotune
from passformer.autotune.tunings import read_broadcasts, read_tunings, to_matrix
from passformer.autotune.universal import MOST, Settings, search_universal
from passformer.corpus.store import Corpus
from passformer.llvm.errors import InputError
from passformer.llvm.measure import Subject, measurer
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Limits

SETTINGS = Settings(size=4, budget=72, screening=20, sample=40, prices=(0.0, 2.0, 16.0), seed=1)


def search(labelled, folder, settings=SETTINGS):
    with local_engine(2, Limits(cpu_seconds=5)) as engine:
        return search_universal(Corpus(labelled), labelled / "tunings" / "default", folder, engine, settings)


@pytest.fixture(scope="module")
def found(labelled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("universal") / "universal"
    return folder, search(labelled, folder)


def judges_of(labelled, settings=SETTINGS):
    """The functions that lists are judged on, found independently: of train, not screened on, in drawn order."""
    matrix = to_matrix(read_tunings([labelled / "tunings" / "default"]))
    screening, judges = module._panels(Corpus(labelled), matrix, labelled, settings)
    gain = dict(zip(matrix.function_ids, matrix.saved(0).max(axis=1), strict=True))
    assert all(gain[f.id] > 0 for f in screening.functions), "screened on what can be made smaller"
    functions = [*screening.functions, *judges.functions]
    assert len({f.id for f in functions}) == len(functions) and {f.split for f in functions} == {"train"}
    return judges.functions


def test_what_is_said_of_the_lists_is_true(labelled, found, sandbox, major):
    _, result = found
    functions = judges_of(labelled)
    assert result["functions"] == len(functions) and 72 <= result["tried"] < 72 + module._BATCH
    counts = [
        [m.instructions for m in sandbox.map(measurer, Subject(f.ir), [OZ.pipeline(major), *pipelines])]
        for pipelines in [[p.pipeline(major) for p in load_coreset(found[0] / "lists.toml").pass_lists]]
        for f in functions
    ]
    baseline, saved = np.array(counts)[:, 0], np.array(counts)[:, :1] - np.array(counts)[:, 1:]
    saved = saved.clip(-MOST, MOST)
    for number, row in enumerate(result["lists"]):
        assert row["alone"] == pytest.approx(100 * saved[:, number].sum() / baseline.sum(), abs=1e-3)
        assert row["larger"] == pytest.approx(100 * (saved[:, number] < 0).mean(), abs=0.01)
        together = saved[:, : number + 1].max(axis=1).clip(0)
        assert row["improvement"] == pytest.approx(100 * together.sum() / baseline.sum(), abs=1e-3)


def test_the_first_are_worth_more_than_any_list_of_the_run_one_at_each_price(labelled, found):
    _, result = found
    matrix = to_matrix(read_tunings([labelled / "tunings" / "default"]))
    row = {id_: i for i, id_ in enumerate(matrix.function_ids)}
    rows = [row[f.id] for f in judges_of(labelled)]
    saved = matrix.saved(-MOST)[rows].clip(-MOST, MOST)
    total = matrix.baseline[rows].sum()
    first = result["lists"][: len(SETTINGS.prices)]
    assert total * first[0]["improvement"] / 100 >= saved.clip(0).sum(axis=0).max() - 0.1
    for price in SETTINGS.prices[1:]:
        theirs = saved.sum(axis=0) - price * (saved < 0).sum(axis=0)
        ours = [total * row["alone"] / 100 - price * len(rows) * row["larger"] / 100 for row in first]
        assert max(ours) >= max(theirs.max(), 0) - 0.1
    assert len({row["pass_list"] for row in result["lists"]}) == len(result["lists"]) <= SETTINGS.size


def test_a_high_price_leaves_nothing_larger(labelled, tmp_path):
    settings = Settings(size=4, budget=48, screening=20, sample=40, prices=(1e6,), seed=1)
    result = search(labelled, tmp_path / "u", settings)
    assert [row["larger"] for row in result["lists"]] == [0] * len(result["lists"])
    assert result["lists"][0]["alone"] > 0


def test_the_first_candidates_are_the_runs_lists_around_oz():
    lists = [PassList.parse(text) for text in ("-sroa -gvn", "-Oz -sroa -gvn", "-adce -Oz -dse", " -sroa" * 14)]
    made = module._with_oz(lists)
    assert [str(p) for p in made] == ["-sroa -gvn -Oz", "-adce -dse -Oz", "-Oz -adce -dse"], (
        "none of the run, none long"
    )


def test_candidates_around_oz_are_tried_first(labelled, found):
    tried = [json.loads(line)["id"] for line in (found[0] / "screened.jsonl").read_text().splitlines()]
    run = to_matrix(read_tunings([labelled / "tunings" / "default"])).pass_lists
    assert tried[: len(module._with_oz(run))] == [str(p) for p in module._with_oz([p for p in run if p.searched])]


def test_what_a_search_costs_is_counted(found):
    folder, result = found
    lines = [line for name in ("screened", "judged") for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    measured = [json.loads(line) for line in lines]
    assert result["compilations"] == sum(len(record["saved"]) for record in measured)
    assert result["tried"] + result["judged"] == len(measured)


def test_no_list_where_none_is_worth_its_price(labelled, tmp_path, monkeypatch):
    monkeypatch.setattr(module.Panel, "value", lambda *_: 0.0)
    with pytest.raises(InputError, match="no list is worth a price of 2: "):
        search(labelled, tmp_path / "u", Settings(budget=1, screening=2, sample=2, prices=(2.0,)))


def test_a_killed_search_goes_on(labelled, found, tmp_path, monkeypatch):
    folder, result = found
    again = tmp_path / "again"
    again.mkdir()
    for name in ("settings.json", "screened.jsonl", "judged.jsonl"):
        text = (folder / name).read_text()
        (again / name).write_text(text if name == "settings.json" else text[: 2 * len(text) // 3])
    measured = []
    monkeypatch.setattr(module, "try_lists_one", lambda sandbox, job: measured.append(job) or original(sandbox, job))
    assert search(labelled, again)["lists"] == result["lists"]
    assert 0 < len({p for job in measured for p in job.pass_lists}) < 72
    measured.clear()
    assert search(labelled, again)["lists"] == result["lists"] and not measured


original = module.try_lists_one


def test_bad_input(labelled, found, tmp_path):
    with pytest.raises(InputError, match="another search"):
        search(labelled, found[0], Settings(seed=5))
    with pytest.raises(InputError, match="no finished tunings"), local_engine(1, Limits()) as engine:
        search_universal(Corpus(labelled), labelled / "tunings" / "none", tmp_path / "u", engine, SETTINGS)


def test_what_learns_from_a_tuned_corpus_sees_universal_lists_too(labelled, found, tmp_path):
    copy = tmp_path / "corpus"
    shutil.copytree(labelled, copy)
    default = copy / "tunings" / "default"
    alone = to_matrix(read_broadcasts(default))
    lists = found[0] / "lists.toml"
    tune_settings = TuneSettings(budget=4, sample=0, lists=str(lists))
    with local_engine(2, Limits(cpu_seconds=5)) as engine:
        autotune(Corpus(copy), copy / "tunings" / "universal", engine, tune_settings)
    both = to_matrix(read_broadcasts(default))
    assert both.pass_lists[: len(alone.pass_lists)] == alone.pass_lists
    assert set(both.pass_lists) == {*alone.pass_lists, *load_coreset(lists).pass_lists[:4]}
    assert both.function_ids == alone.function_ids and (both.baseline == alone.baseline).all()
    assert to_matrix(read_broadcasts(copy / "tunings" / "universal")).pass_lists == list(
        load_coreset(lists).pass_lists[:4]
    ), "by itself where it is asked for"
    chosen = make_coreset(Corpus(copy), default, 5, tmp_path / "c.toml")
    assert {row["pass_list"] for row in chosen["lists"]} & {str(p) for p in both.pass_lists[len(alone.pass_lists) :]}


def test_runs_on_different_functions_are_not_joined(labelled, found, tmp_path):
    copy = tmp_path / "corpus"
    shutil.copytree(labelled, copy)
    settings = TuneSettings(budget=1, sample=0, splits=("test",), lists=str(found[0] / "lists.toml"))
    with local_engine(2, Limits(cpu_seconds=5)) as engine:
        autotune(Corpus(copy), copy / "tunings" / "universal", engine, settings)
    with pytest.raises(InputError, match="tuned on other functions"):
        read_broadcasts(copy / "tunings" / "default")
