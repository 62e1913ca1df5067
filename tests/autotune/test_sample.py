"""Random pass lists: seeded, distinct, and of the passes that they were told to use."""

import random
from itertools import islice

import pytest

from passformer.autotune.sample import random_pass_list, random_pass_lists
from passformer.llvm.catalog import catalog, searched_passes
from passformer.llvm.passlist import OZ


def some(seed: str, passes=None, number: int = 400, **options):
    return list(islice(random_pass_lists(seed, passes or searched_passes(22), **options), number))


def test_the_same_seed_gives_the_same_lists():
    assert some("a") == some("a")
    assert some("a") != some("b")


def test_lists_are_distinct_and_none_is_oz():
    assert len(set(some("a"))) == 400
    few = [p for p in searched_passes(22) if p.name in ("sroa", "gvn", "Oz")]
    assert OZ not in some("a", few, 100) and len(set(some("a", few, 100))) == 100


@pytest.mark.parametrize("major", [19, 22, 23])
def test_only_the_given_passes_are_drawn_and_most_of_them_are(major):
    passes = searched_passes(major)
    drawn = {name for pass_list in some("a", passes, 2000) for name in pass_list.names}
    assert drawn <= {p.name for p in passes}
    assert len(drawn) > 0.9 * len(passes)
    assert all(pass_list.pipeline(major) for pass_list in some("a", passes))


@pytest.mark.parametrize("max_length", [1, 3, 12])
def test_length(max_length):
    lengths = [sum(catalog()[name].kind != "meta" for name in p.names) for p in some("a", max_length=max_length)]
    assert min(lengths) == 1 and max(lengths) == max_length


def test_nearly_all_hold_oz():
    assert 0.9 < sum("Oz" in pass_list.names for pass_list in some("a")) / 400 < 1


def test_chance_comes_from_the_given_generator_only():
    passes = searched_passes(22)
    state = random.getstate()
    one, two = (random_pass_list(random.Random(5), passes) for _ in range(2))
    assert one == two
    assert random.getstate() == state
