"""The contract of every search, and that the better one is better."""

import random

import pytest

from passformer.autotune.search import SEARCHES
from passformer.autotune.trial import Trial
from passformer.llvm.catalog import searched_passes


@pytest.fixture(params=sorted(SEARCHES))
def search(request):
    return SEARCHES[request.param]


def run(search, sandbox, function, major, budget=90, seed=1):
    trial = Trial(sandbox, function.ir, major, budget)
    search(trial, random.Random(seed), searched_passes(major))
    return trial


def test_it_spends_its_budget_exactly_on_searched_passes(search, sandbox, functions, major):
    trial = run(search, sandbox, max(functions, key=lambda f: f.instructions), major)
    assert trial.compilations == 90
    assert all(p.searched for p in trial.results)


def test_the_seed_decides(search, sandbox, functions, major):
    function = max(functions, key=lambda f: f.instructions)
    first, again, other = (run(search, sandbox, function, major, seed=seed) for seed in (1, 1, 2))
    assert first.results == again.results
    assert list(first.results) != list(other.results)


def test_it_ends_on_a_function_that_nothing_can_improve(search, sandbox, functions, major):
    trial = run(search, sandbox, min(functions, key=lambda f: f.instructions), major, budget=60)
    assert trial.compilations == 60 and trial.best <= trial.baseline


def test_it_finds_something(search, sandbox, functions, major):
    large = sorted(functions, key=lambda f: f.instructions)[-8:]
    trials = [run(search, sandbox, f, major) for f in large]
    assert sum(t.best for t in trials) < sum(t.baseline for t in trials)
