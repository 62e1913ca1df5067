"""Random pass lists, the raw material of every search."""

import random
from collections.abc import Iterator, Sequence

from passformer.llvm.catalog import Pass
from passformer.llvm.passlist import OZ, PassList


def random_pass_list(rng: random.Random, passes: Sequence[Pass], max_length: int = 12) -> PassList:
    """One list: 1 to `max_length` passes, short ones likelier, and nearly always -Oz somewhere among them.

    The paper draws up to 45 passes uniformly; most of those lists lack any full clean-up and lose to -Oz. A list with
    -Oz in it starts from the baseline, and the passes before or after it are what may beat it.
    """
    ordinary = [p.name for p in passes if p.kind != "meta"]
    metas = [p.name for p in passes if p.kind == "meta" and p.name != "Oz"]
    length = min(max_length, 1 + int(rng.expovariate(1 / 3)))
    names = rng.choices(ordinary, k=length)
    if rng.random() < 0.95:
        names.insert(rng.randint(0, len(names)), "Oz")
    if metas and rng.random() < 0.25:
        names.insert(rng.randint(0, len(names)), rng.choice(metas))
    return PassList(tuple(names))


def random_pass_lists(seed: str, passes: Sequence[Pass], max_length: int = 12) -> Iterator[PassList]:
    """An endless, seeded stream of distinct random lists, without -Oz itself."""
    rng = random.Random(seed)
    seen = {OZ}
    while True:
        candidate = random_pass_list(rng, passes, max_length)
        if candidate not in seen:
            seen.add(candidate)
            yield candidate
