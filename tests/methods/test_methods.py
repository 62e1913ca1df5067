"""Every method keeps to the signature; the model is asked as it was trained."""

import json
import shutil

import pytest

from passformer.corpus.store import Corpus
from passformer.dataset.examples import read_texts
from passformer.dataset.prompt import Form
from passformer.llvm.errors import InputError
from passformer.llvm.frontend import load
from passformer.llvm.objective import Objective
from passformer.llvm.passlist import OZ
from passformer.methods.method import Task
from passformer.methods.model import form_for, views_of
from passformer.methods.registry import METHODS, Options, default_method, make_method
from passformer.model.package import open_package
from reference import ASSETS, PROGRAMS


@pytest.fixture(scope="module")
def tasks(labelled, major):
    functions = sorted(Corpus(labelled).functions(["test"]), key=lambda f: f.instructions)
    return [Task(f.ir, major, objective=o) for f in functions[:5] for o in ("instructions", "text")]


@pytest.mark.parametrize("budget", [0, 1, 6])
@pytest.mark.parametrize("name", METHODS)
def test_methods_propose_distinct_lists_from_what_searches_may_use(name, budget, tasks, pool, package, major):
    options = Options(3, package)
    proposals = list(make_method(name, options).propose(tasks, budget, pool))
    again = list(make_method(name, options).propose(tasks, budget, pool))
    assert [p.pass_lists for p in proposals] == [p.pass_lists for p in again] and len(proposals) == len(tasks)
    for proposal in proposals:
        assert 1 <= len(proposal.pass_lists) <= max(budget, 1)
        assert len(set(proposal.pass_lists)) == len(proposal.pass_lists)
        assert all(p.searched and p.pipeline(major) is not None for p in proposal.pass_lists)
        assert proposal.cpu_seconds >= 0 and proposal.compilations == 0
        assert budget == 0 or OZ not in proposal.pass_lists or proposal.pass_lists == (OZ,)


def test_the_seed_decides_what_is_searched(tasks, pool):
    one, two = (next(make_method("search", Options(seed)).propose(tasks, 5, pool)).pass_lists for seed in (1, 2))
    assert one != two


def test_the_model_takes_time_and_says_so(tasks, pool, package):
    assert all(p.cpu_seconds > 0 for p in make_method("model", Options(model=package)).propose(tasks, 1, pool))


def test_a_function_is_shown_as_in_training(dataset, labelled, pool, major):
    texts = {text.function_id: text for text in read_texts(dataset, ["test"])}
    for function in Corpus(labelled).functions(["test"]):
        (view,) = pool.call(lambda sandbox, f=function: views_of(Task(f.ir, major), True, sandbox))
        text = texts[function.id]
        assert (view.unoptimised, view.after_oz, view.instructions) == (text.unoptimised, text.after_oz, text.before)


def test_of_a_large_module_the_largest_functions_are_shown(major, sandbox, monkeypatch):
    monkeypatch.setattr("passformer.methods.model.MAX_FUNCTIONS", 5)
    facts = load(PROGRAMS / "json.c", sandbox)
    views = views_of(Task(facts.bitcode, major), False, sandbox)
    expected = sorted((f.num_instructions for f in facts.functions), reverse=True)[:5]
    assert sorted((v.instructions for v in views), reverse=True) == expected
    assert all(v.after_oz == "" for v in views)


def test_without_a_budget_the_prompt_needs_no_oz(package):
    opened = open_package(package)
    assert [form_for(opened, budget) for budget in (0, 1, 9)] == [Form.PAPER, Form.BOTH, Form.BOTH]


def test_a_prompt_that_is_cut_is_answered_with_oz_unless_it_is_verified(pool, package, sandbox, major):
    largest = load(PROGRAMS / "json.c", sandbox)
    task = Task(largest.bitcode, major)
    opened = open_package(package)
    views = views_of(task, False, sandbox)
    assert all(opened.writer.is_cut(Form.PAPER, opened.writer.view(v.unoptimised, "")) for v in views)
    model = make_method("model", Options(model=package))
    assert next(model.propose([task], 0, pool)).pass_lists == (OZ,)
    assert next(model.propose([task], 1, pool)).pass_lists != (OZ,)


def test_weights_of_another_llvm_or_none_at_all(tasks, pool, package, tmp_path):
    shutil.copytree(package, tmp_path / "other")
    facts = json.loads((package / "model.json").read_text())
    (tmp_path / "other" / "model.json").write_text(json.dumps({**facts, "llvm": 19}))
    with pytest.raises(InputError, match="was trained on LLVM 19, and this is LLVM 22: use --method coreset"):
        list(make_method("model", Options(model=tmp_path / "other")).propose(tasks, 1, pool))
    with pytest.raises(InputError, match="holds no model"):
        list(make_method("model", Options(model=tmp_path)).propose(tasks, 1, pool))


def test_a_module_without_functions_is_left_to_oz(pool, package, major):
    task = Task(b"@a = global i32 1", major)
    assert next(make_method("model", Options(model=package)).propose([task], 3, pool)).pass_lists == (OZ,)


def test_the_default_is_the_model_where_it_fits(package):
    assert default_method(22, Options(model=package)) == "model"
    assert default_method(22, Options()) == "model"
    assert default_method(22, Options(), Objective.TEXT) == "neighbours", "lists that were chosen for it"
    assert default_method(22, Options(model=package), Objective.TEXT) == "model", "as asked for"
    assert default_method(19, Options()) == "coreset"
    with pytest.raises(InputError, match="no method is called 'x'"):
        make_method("x", Options())


def test_several_functions_are_weighed_by_their_size(pool, package, sandbox, major):
    """The list of a file is what its functions would have, the large ones above all."""
    facts = load(ASSETS / "shapes.cpp", sandbox)
    model = make_method("model", Options(model=package))
    whole = next(model.propose([Task(facts.bitcode, major)], 4, pool))
    assert len(whole.pass_lists) == 4 and all(p.searched for p in whole.pass_lists)
