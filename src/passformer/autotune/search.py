"""Searches, all behind one signature: spend a trial's budget, in whatever order one believes in.

`random_search` is the paper's; `mutation_search` goes on from what was good. Every random choice comes from the
generator that is handed in.
"""

import random
from collections.abc import Callable, Sequence

from passformer.autotune.sample import random_pass_list
from passformer.autotune.trial import Trial
from passformer.llvm.catalog import Pass
from passformer.llvm.passlist import OZ, PassList

Search = Callable[[Trial, random.Random, Sequence[Pass]], None]

_BATCH = 25
_ELITE = 12
_MAX_LENGTH = 16


def random_search(trial: Trial, rng: random.Random, passes: Sequence[Pass]) -> None:
    """Independent random lists until the budget is spent (the paper's section III-B)."""
    while trial.remaining > 0:
        trial.try_lists([random_pass_list(rng, passes) for _ in range(_BATCH)])


def mutation_search(trial: Trial, rng: random.Random, passes: Sequence[Pass]) -> None:
    """A quarter of the budget on random lists, the rest on small changes to the best lists so far.

    Lists that are no worse than -Oz are parents too, so that a walk over plateaus is possible; every eighth candidate
    is random, so that no early winner closes the search.
    """
    opening = trial.compilations + trial.remaining // 4
    while trial.remaining > 0 and trial.compilations < opening:
        trial.try_lists([random_pass_list(rng, passes) for _ in range(_BATCH)])
    while trial.remaining > 0:
        parents = sorted(trial.results, key=lambda p: (trial.results[p], len(p)))[:_ELITE]
        before = trial.compilations
        trial.try_lists(
            [
                random_pass_list(rng, passes) if i % 8 == 0 else mutate(rng.choice(parents), parents, rng, passes)
                for i in range(_BATCH)
            ]
        )
        if trial.compilations == before:  # every candidate was known: the neighbourhood is used up
            trial.try_lists([random_pass_list(rng, passes, _MAX_LENGTH) for _ in range(_BATCH)])


SEARCHES: dict[str, Search] = {"random": random_search, "mutation": mutation_search}


def mutate(parent: PassList, parents: Sequence[PassList], rng: random.Random, passes: Sequence[Pass]) -> PassList:
    """Insert, remove, replace, move or splice, once or twice."""
    names = list(parent.names)
    for _ in range(rng.choice((1, 1, 2))):
        change = rng.random()
        if change < 0.45 or not names:
            names.insert(rng.randint(0, len(names)), rng.choice(passes).name)
        elif change < 0.6:
            del names[rng.randrange(len(names))]
        elif change < 0.75:
            names[rng.randrange(len(names))] = rng.choice(passes).name
        elif change < 0.85:
            names.insert(rng.randint(0, len(names) - 1), names.pop(rng.randrange(len(names))))
        else:
            other = rng.choice(parents).names
            names = names[: rng.randint(0, len(names))] + list(other[rng.randint(0, len(other)) :])
    return PassList(_legal(names[:_MAX_LENGTH])) if names else OZ


def _legal(names: Sequence[str]) -> tuple[str, ...]:
    """Each meta flag once, at its first place."""
    seen: set[str] = set()
    kept = []
    for name in names:
        if not (name[0] == "O" and name in seen):
            kept.append(name)
        seen.add(name)
    return tuple(kept)
