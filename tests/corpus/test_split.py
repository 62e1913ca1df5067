"""Train, validation and test by group."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from passformer.corpus.split import TEST_SHARE, VALIDATION_SHARE, split_groups

members = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([f"g{i}" for i in range(12)])), max_size=200)


def shares(found: list[tuple[str, str]]) -> dict[str, float]:
    splits = split_groups(found)
    counts = Counter(splits[member] for member in found)
    return {split: number / len(found) for split, number in counts.items()}


@given(members)
def test_each_group_has_one_split_whatever_the_order(found):
    splits = split_groups(found)
    assert splits.keys() == set(found) and set(splits.values()) <= {"train", "validation", "test"}
    assert split_groups(reversed(found)) == splits


@given(members, members)
def test_a_source_keeps_its_split_when_others_join(found, others):
    joined = split_groups([*found, *(("other", group) for _, group in others)])
    assert split_groups(found).items() <= joined.items()


@given(st.lists(st.integers(1, 30), min_size=3, max_size=10))
def test_three_groups_give_one_of_test_where_train_keeps_most(sizes):
    found = [("a", f"g{number}") for number, size in enumerate(sizes) for _ in range(size)]
    counts = Counter(split_groups(found).values())
    if 3 * sorted(sizes)[-2] <= sum(sizes):  # all but one are small enough to be held out
        assert counts["test"] >= 1
    assert counts["train"] >= 1


def test_three_groups_of_equal_size_give_one_of_each():
    assert Counter(split_groups([("a", "x"), ("a", "y"), ("a", "z")]).values()) == dict.fromkeys(
        ("train", "validation", "test"), 1
    )


def test_shares_are_near_what_is_wanted():
    found = [("a", f"g{number}") for number in range(500) for _ in range(1 + number % 20)]
    share = shares(found)
    assert TEST_SHARE <= share["test"] < TEST_SHARE + 0.01
    assert VALIDATION_SHARE <= share["validation"] < VALIDATION_SHARE + 0.01


def test_a_group_that_holds_most_of_a_source_goes_to_train():
    found = [("a", "linux")] * 900 + [("a", f"g{number}") for number in range(100)]
    assert split_groups(found)["a", "linux"] == "train"
    assert 0 < shares(found)["test"] < 0.06


def test_too_few_groups_are_all_for_training():
    assert set(split_groups([("a", "x"), ("a", "y"), ("b", "x")]).values()) == {"train"}
