"""The method proposes what the network ranks first, within the budget and 45 passes, and needs a network that fits."""

import json
import shutil

import pytest

from passformer.baselines.coreset_nvp.graph import make_graph
from passformer.baselines.coreset_nvp.method import CoresetNVP
from passformer.baselines.coreset_nvp.ranker import BEST, SETTINGS, VOCABULARY, read_ranker
from passformer.baselines.coreset_nvp.values import ranked
from passformer.corpus.store import Corpus
from passformer.evaluate import methods as evaluate_methods
from passformer.evaluate.methods import METHODS, Options, identity
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ
from passformer.methods.method import Task
from passformer.methods.registry import make_method


@pytest.fixture(scope="module")
def tasks(labelled, major):
    return [Task(f.ir, major) for f in Corpus(labelled).functions(["test"])]


@pytest.fixture
def other(network, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(network, tmp_path / "other")


def order_of(folder, task, sandbox):
    ranker = read_ranker(folder)
    return ranked(ranker.pass_lists, ranker.predict([make_graph(sandbox, task.ir)]))[0]


def test_lists_are_tried_in_the_order_of_the_network(network, tasks, sandbox, pool):
    orders = [order_of(network, task, sandbox) for task in tasks]
    method = CoresetNVP(network)
    for budget in (1, 2, 60):
        proposals = list(method.propose(tasks, budget, pool))
        assert [list(p.pass_lists) for p in proposals] == [[q for q in o if q != OZ][:budget] for o in orders]
        assert all(p.cpu_seconds > 0 and p.compilations == 0 for p in proposals)
    assert [p.pass_lists for p in method.propose(tasks, 0, pool)] == [(order[0],) for order in orders]
    assert list(method.propose([], 1, pool)) == []


def test_45_passes_are_enough(other, tasks, pool, major):
    settings = json.loads((other / SETTINGS).read_text())
    number = len(settings["pass_lists"]) - 1
    assert number >= 4
    settings["pass_lists"][1:] = [" ".join(["-gvn"] * 20 + ["-dce"] * i) for i in range(number)]
    (other / SETTINGS).write_text(json.dumps(settings))
    for budget, tried in ((2, 2), (45, 3)):
        assert {len(p.pass_lists) for p in CoresetNVP(other).propose(tasks, budget, pool)} == {tried}


def test_what_searches_must_not_use_is_not_proposed(other, tasks, pool):
    settings = json.loads((other / SETTINGS).read_text())
    settings["pass_lists"][1:] = [f"-structurizecfg {text}" for text in settings["pass_lists"][1:]]
    (other / SETTINGS).write_text(json.dumps(settings))
    for budget in (0, 3):
        assert {p.pass_lists for p in CoresetNVP(other).propose(tasks, budget, pool)} == {(OZ,)}


def test_programs_without_a_graph_are_left_to_oz(network, tasks, pool, major):
    odd = [Task(ir, major) for ir in (b"garbage", b"declare void @f()", b"")]
    for budget in (0, 5):
        proposals = list(CoresetNVP(network).propose([*odd, tasks[0]], budget, pool))
        assert [p.pass_lists for p in proposals[:3]] == [(OZ,)] * 3
        alone = list(CoresetNVP(network).propose(tasks[:1], budget, pool))
        assert proposals[3].pass_lists == alone[0].pass_lists


def test_a_network_is_found_named_and_told_from_others(network, labelled, other, tmp_path, monkeypatch):
    default, named = Options(training=labelled), Options(training=tmp_path, trained=other)
    assert identity("coreset-nvp", default) == identity("coreset-nvp", named) != ""
    (other / BEST).write_bytes((other / BEST).read_bytes() + b" ")
    assert identity("coreset-nvp", default) != identity("coreset-nvp", named)
    for options in (default, named):
        assert isinstance(make_method("coreset-nvp", options, METHODS), CoresetNVP)
    monkeypatch.setattr(evaluate_methods, "SHIPPED", tmp_path / "weights")
    for options in (Options(), Options(training=tmp_path)):
        with pytest.raises(InputError, match=r"weights/coreset_nvp holds no network"):
            make_method("coreset-nvp", options, METHODS)
    shutil.copytree(other, tmp_path / "weights" / "coreset_nvp")
    assert isinstance(make_method("coreset-nvp", Options(training=tmp_path), METHODS), CoresetNVP)


def test_networks_that_are_missing_damaged_or_of_another_llvm(other, tmp_path):
    with pytest.raises(InputError, match=r"no network: `passformer coreset-nvp train DIR --coreset FILE` makes one"):
        CoresetNVP(tmp_path)
    settings = (other / SETTINGS).read_text()
    (other / SETTINGS).write_text(json.dumps({**json.loads(settings), "llvm": 10}))
    with pytest.raises(InputError, match="trained on LLVM 10, and this is LLVM"):
        CoresetNVP(other)
    for file in (BEST, SETTINGS, VOCABULARY):
        whole = (other / file).read_bytes() if file != SETTINGS else settings.encode()
        for damaged in (b"", whole[: len(whole) // 2], b"[1, 2"):
            (other / file).write_bytes(damaged)
            with pytest.raises(InputError, match=r"is damaged .* train it again"):
                CoresetNVP(other)
        (other / file).write_bytes(whole)
    CoresetNVP(other)
