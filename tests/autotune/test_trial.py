"""Trials, the table of results by IR state, and minimising."""

import random
import subprocess
import sys
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passformer.autotune.sample import random_pass_lists
from passformer.autotune.statetable import explorer, whole_runner
from passformer.autotune.trial import Trial, minimise
from passformer.llvm.catalog import searched_passes
from passformer.llvm.measure import Subject, measurer
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Failure

LISTS = list(islice(random_pass_lists("trial", searched_passes(22)), 60))


@pytest.fixture(scope="module")
def large(functions):
    return sorted(functions, key=lambda f: f.instructions)[-6:]


def trial(sandbox, function, major, budget=1000, **options):
    return Trial(sandbox, function.ir, major, budget, **options)


def test_the_table_gives_what_whole_runs_give_and_runs_fewer_passes(sandbox, functions, major):
    run_by_table = run_whole = 0
    for function in functions[::8]:
        by_table = trial(sandbox, function, major)
        whole = trial(sandbox, function, major, evaluator=whole_runner)
        assert by_table.try_lists(LISTS) == whole.try_lists(LISTS)
        assert by_table.baseline == whole.baseline
        run_by_table += by_table.num_passes_run
        run_whole += whole.num_passes_run
    assert run_by_table < 0.8 * run_whole


def test_a_known_state_is_not_run_again(sandbox, large):
    steps = ["function(sroa)", "default<O2>"]
    results = list(sandbox.map(explorer, large[0].ir, [steps, steps, [*steps, "function(sroa)"], ["function(sroa)"]]))
    assert [r.num_passes_run for r in results] == [2, 0, 1, 0]
    assert results[0].count == results[1].count


def test_a_table_that_may_keep_only_one_module_open_gives_the_same(sandbox, large, major):
    expected = trial(sandbox, large[-1], major).try_lists(LISTS)
    # A worker of its own, where the budget is the smallest there can be.
    code = "__import__('passformer.autotune.statetable', fromlist=['x']).__dict__.update(_MODULE_BUDGET=0)"
    sandbox.call(eval, code)
    assert trial(sandbox, large[-1], major).try_lists(LISTS) == expected
    sandbox.kill()


def test_the_baseline_is_oz_and_counts_as_no_compilation(sandbox, large, major):
    one = trial(sandbox, large[0], major)
    measured = next(sandbox.map(measurer, Subject(large[0].ir), [OZ.pipeline(major)]))
    assert (one.baseline, one.compilations, one.best, one.winner) == (measured.instructions, 0, one.baseline, OZ)
    paper = trial(sandbox, large[0], major, protocol=Protocol.PAPER)
    measured = next(sandbox.map(measurer, Subject(large[0].ir), ["default<Oz>"]))
    assert paper.baseline == measured.instructions


def test_the_budget_is_kept_and_known_lists_are_free(sandbox, large, major):
    one = trial(sandbox, large[0], major, budget=10)
    assert len(one.try_lists(LISTS[:7])) == 7
    assert one.try_lists(LISTS[:7]) == one.try_lists(LISTS[:7]) and one.remaining == 3
    one.try_lists(LISTS)
    assert (one.compilations, one.remaining, len(one.results)) == (10, 0, 11)


def test_a_list_that_kills_llvm_costs_itself_alone(sandbox, large, major):
    deadly = PassList.parse("-function-import -Oz")
    one = trial(sandbox, large[0], major)
    expected = trial(sandbox, large[0], major).try_lists(LISTS[:4])
    counts = one.try_lists([*LISTS[:2], deadly, *LISTS[2:4]])
    assert counts == [*expected[:2], None, *expected[2:]]
    assert isinstance(one.failures[deadly], Failure) and deadly not in one.results


def test_the_curve_falls_while_cost_rises(sandbox, large, major):
    one = trial(sandbox, large[0], major)
    for i in range(0, 60, 20):
        one.try_lists(LISTS[i : i + 20])
    assert [p.compilations for p in one.curve] == [0, 20, 40, 60]
    assert [p.best for p in one.curve] == sorted((p.best for p in one.curve), reverse=True)
    assert [p.cpu_seconds for p in one.curve] == sorted(p.cpu_seconds for p in one.curve)


NAMES = st.lists(st.sampled_from(["sroa", "gvn", "dce", "licm", "adce", "sink"]), max_size=12).map(tuple)


def test_no_cpu_time_is_lost(sandbox, functions, major):
    """The clock of a process whose CPU limit runs goes a quarter too slow (see `statetable`)."""
    sandbox.version()
    before = sandbox.cpu_seconds
    lists = list(islice(random_pass_lists("time", searched_passes(major)), 150))
    tried = [trial(sandbox, f, major) for f in functions[:8]]
    for one in tried:
        one.try_lists(lists)
    if not any(one.failures for one in tried):  # a worker that was replaced took its time with it
        assert sum(one.cpu_seconds for one in tried) == pytest.approx(sandbox.cpu_seconds - before, rel=0.15)


@given(NAMES, st.sets(st.sampled_from(["sroa", "gvn", "dce"])))
def test_minimise_keeps_just_what_is_needed(names, needed):
    def holds(p: PassList) -> bool:
        return needed & set(names) <= set(p.names)

    smallest = minimise(PassList(names), holds)
    assert sorted(smallest.names) == sorted(needed & set(names))


@given(NAMES)
def test_minimise_keeps_order_and_asks_only_for_shorter_lists(names):
    asked = []

    def holds(p: PassList) -> bool:
        asked.append(p)
        return random.Random(str(p)).random() < 0.5

    smallest = minimise(PassList(names), holds)
    rest = iter(names)
    assert all(name in rest for name in smallest.names)
    assert all(len(p) < len(names) for p in asked)


KEPT = """
import gc, sys
gc.disable()
from passformer.autotune.statetable import State, explorer
with explorer(sys.stdin.buffer.read()) as evaluate:
    for pipelines in (["function(sroa)", "default<O2>"], ["default<O2>"] * 2, ["function(sroa)"] * 2):
        evaluate(pipelines)
del evaluate
print(sum(isinstance(o, State) for o in gc.get_objects()))
"""


def test_a_finished_table_leaves_nothing_behind(functions):
    """Workers collect no garbage and see a hundred thousand functions."""
    ir = functions[0].ir
    done = subprocess.run([sys.executable, "-c", KEPT], input=ir, capture_output=True)
    assert done.stdout == b"0\n", done.stderr.decode()
