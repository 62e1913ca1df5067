"""The network that comes along answers on any corpus, with lists that automatic searches may use."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from passformer.baselines.coreset_nvp.ranker import read_ranker
from passformer.baselines.coreset_nvp.values import NUM_PASSES
from passformer.cli import app
from passformer.evaluate.methods import SHIPPED
from passformer.llvm.passlist import OZ
from passformer.methods.method import available

FOLDER = SHIPPED / "coreset_nvp"


@pytest.fixture
def fresh(labelled, tmp_path):
    """A corpus that was neither tuned nor trained on."""
    for file in [labelled / "corpus.json", *labelled.glob("functions-*.parquet")]:
        shutil.copy(file, tmp_path)
    return tmp_path


def evaluate(corpus, *options):
    arguments = ["evaluate", "--functions", str(corpus), "--method", "coreset-nvp", "--json", *map(str, options)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_it_ranks_lists_that_may_be_used(major):
    ranker = read_ranker(FOLDER)
    assert ranker.pass_lists[0] == OZ and 40 < len(set(ranker.pass_lists)) == len(ranker.pass_lists) <= 51
    assert all(available(p, major) for p in ranker.pass_lists)
    assert len(ranker.vocabulary) > 100


def test_it_is_small_and_the_best_that_was_tried():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 2_000_000
    tried = json.loads((FOLDER / "tried.json").read_text())
    best = max(json.loads((FOLDER / "metrics.json").read_text()), key=lambda row: (row["improvement"], -row["loss"]))
    assert best == max((run["best"] for run in tried), key=lambda row: (row["improvement"], -row["loss"]))


def test_it_is_used_where_a_corpus_has_none(fresh):
    some, many = evaluate(fresh, "--budget", 3), evaluate(fresh, "--budget", 45)
    assert some["functions"] == many["functions"] > 0
    assert 0 < some["additional_compilations"] <= 3 * some["functions"]
    assert some["additional_compilations"] < many["additional_compilations"] <= NUM_PASSES * many["functions"]
    assert 0 < some["overall_improvement"] <= many["overall_improvement"]
