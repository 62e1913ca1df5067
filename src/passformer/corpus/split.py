"""Train, validation and test, by group: a project, author or problem is wholly in one of them."""

import hashlib
from collections import Counter
from collections.abc import Iterable

from passformer.corpus.store import Split

VALIDATION_SHARE, TEST_SHARE = 0.02, 0.025
_LARGEST_HELD_OUT = 0.34


def split_groups(members: Iterable[tuple[str, str]], test_share: float = TEST_SHARE) -> dict[tuple[str, str], Split]:
    """(source, group) of each function -> split of each (source, group).

    In each source, groups are taken in the order of a hash of their names until a share of the functions is reached:
    first for test, then for validation. So each source with at least three groups has some of all three, a group keeps
    its place when others come, and a group that holds most of a source (the Linux kernel, in Jotai) goes to train.
    """
    sizes: dict[str, Counter[str]] = {}
    for source, group in members:
        sizes.setdefault(source, Counter())[group] += 1
    result: dict[tuple[str, str], Split] = {}
    for source, groups in sizes.items():
        total = groups.total()
        held_out: Counter[Split] = Counter()
        for group in sorted(groups, key=lambda group: _hash(source, group)):
            split: Split = "train"
            if len(groups) >= 3 and groups[group] <= _LARGEST_HELD_OUT * total:
                if held_out["test"] < test_share * total:
                    split = "test"
                elif held_out["validation"] < VALIDATION_SHARE * total:
                    split = "validation"
            held_out[split] += groups[group]
            result[source, group] = split
    return result


def _hash(source: str, group: str) -> bytes:
    return hashlib.blake2b(f"{source}/{group}".encode(), digest_size=8).digest()
