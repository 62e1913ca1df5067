"""Search for universal lists: those that make many functions smaller, and not only the one that they were found on.

A search on one function finds what is best there, and drops the passes that did nothing there; on other functions such
a list often does less than it could, or harm. Here every candidate is judged on many functions at once: by what it
saves on all of them, less a price for each that it makes larger. There are several prices. At none, -Oz is run beside
the list, and the losses do not count; the higher the price, the safer a list is to run unverified. Small changes to the
best lists so far are screened on functions that are known to have something to save, and the best of these are judged
on others, as they come. A killed search goes on: what was measured is in journals, and the rest is drawn from the seed.
"""

import random
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from passformer.autotune.coreset import Coreset
from passformer.autotune.cover import cover_improvements, greedy_cover
from passformer.autotune.engine import Engine
from passformer.autotune.journal import Journal
from passformer.autotune.search import mutate
from passformer.autotune.tune import ListsJob, try_lists_one
from passformer.autotune.tunings import Matrix, objective_of, read_tunings, to_matrix
from passformer.corpus.files import alone, atomic, claim
from passformer.corpus.store import Corpus, Function, draw_order
from passformer.llvm.catalog import Pass, searched_passes
from passformer.llvm.errors import InputError
from passformer.llvm.objective import Objective
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.progress import Report, silent

MOST = 20
"""Instructions: savings and losses beyond count as so many, or few functions would decide."""
PRICES = (0.0, 2.0, 8.0, 32.0)
_PARENTS = 16
_BATCH = 24
_PROMOTED = 2
"""Of a batch that are judged for what they add to others, beside the best at each price."""
_MAX_LENGTH = 14


@dataclass(frozen=True, slots=True)
class Settings:
    """What is done, and so what a search may be resumed with."""

    size: int = 24
    """Lists to choose."""
    budget: int = 840
    """Lists to try, or a few more: they are tried in batches."""
    screening: int = 300
    """Functions that each list is tried on."""
    sample: int = 1000
    """More functions, that the promising ones are judged on."""
    prices: tuple[float, ...] = PRICES
    """Instructions that must be saved elsewhere for each function that a list makes larger, ascending; 0: -Oz is run
    beside it, and nothing gets larger."""
    seed: int = 0


class Panel:
    """Functions that lists are measured on."""

    def __init__(self, functions: Sequence[Function], journal: Journal, matrix: Matrix) -> None:
        self.functions = functions
        self._journal = journal
        row = {id_: i for i, id_ in enumerate(matrix.function_ids)}
        rows = [row[f.id] for f in functions]
        self.baseline = matrix.baseline[rows]
        """(functions,) instructions under -Oz."""
        table = matrix.saved(-MOST)[rows].clip(-MOST, MOST)
        self.saved = {p: table[:, i] for i, p in enumerate(matrix.pass_lists) if p.searched}
        """(functions,) instructions that a list saves over -Oz on each, from -`MOST` to `MOST`."""
        self.saved |= {PassList.parse(r["id"]): np.array(r["saved"], dtype=np.int64) for r in journal.records()}

    def measure(self, pass_lists: Sequence[PassList], corpus: Corpus, engine: Engine, objective: Objective) -> None:
        """Those that are not measured yet."""
        fresh = tuple(p for p in pass_lists if p not in self.saved)
        if not fresh:
            return
        llvm = int(corpus.manifest["llvm"].split(".")[0])
        jobs = (ListsJob(f, llvm, corpus.protocol, fresh, objective) for f in self.functions)
        rows = {
            record["id"]: [-MOST if count is None else record["baseline"] - count for count in record["counts"]]
            for record in engine.run(try_lists_one, jobs)
        }
        table = np.array([rows[f.id] for f in self.functions], dtype=np.int64).clip(-MOST, MOST)
        for pass_list, saved in zip(fresh, table.T, strict=True):
            self._journal.append({"id": str(pass_list), "saved": saved.tolist()})
            self.saved[pass_list] = saved

    def value(self, pass_list: PassList, price: float) -> float:
        """Instructions saved, less the price of functions that are made larger; at no price losses do not count."""
        saved = self.saved[pass_list]
        if price == 0:
            return float(saved.clip(0).sum())
        return float(saved.sum() - price * (saved < 0).sum())

    def together(self, pass_lists: Sequence[PassList], size: int) -> list[PassList]:
        """Those that save most where each function gets the best of them, in greedy order."""
        if not pass_lists:
            return []
        counts = -np.column_stack([self.saved[p] for p in pass_lists])
        return [pass_lists[i] for i in greedy_cover(np.zeros(len(counts), dtype=np.int64), counts, size)]


def search_universal(
    corpus: Corpus, tuned: Path, folder: Path, engine: Engine, settings: Settings, report: Report = silent
) -> dict[str, Any]:
    """Go on from the lists of the tuning run in `tuned`; `folder` gets the journals and `lists.toml`, the lists chosen.

    Raises InputError where `folder` holds a search with other settings, the run has no function of train that a list
    makes smaller, or no list is worth the lowest price.
    """
    objective = objective_of(tuned)
    matrix = to_matrix(read_tunings([tuned], objective))
    with alone(folder):
        wanted = {**asdict(settings), "run": tuned.name}
        claim(folder / "settings.json", wanted, f"{folder} holds another search: remove it, or ask for the same")
        return _search(corpus, matrix, folder, engine, settings, objective, report)


def _search(
    corpus: Corpus,
    matrix: Matrix,
    folder: Path,
    engine: Engine,
    settings: Settings,
    objective: Objective,
    report: Report,
) -> dict[str, Any]:
    started, prices = time.perf_counter(), settings.prices
    screening, judges = _panels(corpus, matrix, folder, settings)
    passes = searched_passes(int(corpus.manifest["llvm"].split(".")[0]))
    rng = random.Random(settings.seed)
    population = [p for p in matrix.pass_lists if p.searched]
    known = len(population)
    waiting = _with_oz(population)
    tried: list[PassList] = []
    while len(tried) < settings.budget:
        parents = _parents(judges, population, prices)
        best_so_far = 100 * judges.value(parents[0], prices[0]) / judges.baseline.sum()
        report(f"the best is worth {best_so_far:.2f} %", len(tried), settings.budget)
        children, waiting = waiting[:_BATCH], waiting[_BATCH:]
        children = children or _children(parents, {OZ, *population, *tried}, rng, passes)
        tried += children
        screening.measure(children, corpus, engine, objective)
        best = [p for price in prices for p in _worthy(screening, children, price)[:1]]
        together = screening.together([*parents, *children], _BATCH)
        adding = [p for p in together if p in children and p not in best]
        promising = list(dict.fromkeys([*best, *adding[:_PROMOTED]]))
        judges.measure(promising, corpus, engine, objective)
        population += promising
    chosen = _choose(judges, population, settings)
    if not chosen:
        raise InputError(f"{corpus.folder}: no list is worth a price of {prices[0]:g}: take a lower --price")
    coreset = _coreset(corpus, objective, judges, chosen, settings)
    with atomic(folder / "lists.toml") as temporary:
        temporary.write_text(coreset.to_toml())
    return {
        "functions": len(judges.functions),
        "compilations": len(tried) * len(screening.functions) + (len(population) - known) * len(judges.functions),
        "lists": [
            {"pass_list": str(p), "improvement": together, "alone": alone_, "larger": larger}
            for p, together in zip(coreset.pass_lists, coreset.improvements, strict=True)
            for alone_, larger in [_shares(judges, p)]
        ],
        "tried": len(tried),
        "judged": len(population) - known,
        "seconds": time.perf_counter() - started,
        "verified": False,
        "file": str(folder / "lists.toml"),
    }


def _panels(corpus: Corpus, matrix: Matrix, folder: Path, settings: Settings) -> tuple[Panel, Panel]:
    """For screening, functions that a list of the run makes smaller; for judging, others of train, as they come."""
    saves = dict(zip(matrix.function_ids, (matrix.saved(0).max(axis=1, initial=0) > 0).tolist(), strict=True))
    functions = [f for f in corpus.functions(["train"]) if f.id in saves]
    functions.sort(key=lambda f: draw_order(f.id, settings.seed))
    judges = functions[: min(settings.sample, len(functions) // 2)]
    screening = [f for f in functions[len(judges) :] if saves[f.id]][: settings.screening]
    if not screening or not judges:
        raise InputError(f"{corpus.folder}: the tuning run makes too few functions of train smaller to learn from")
    return (
        Panel(screening, Journal(folder / "screened.jsonl"), matrix),
        Panel(judges, Journal(folder / "judged.jsonl"), matrix),
    )


def _worthy(judges: Panel, population: Sequence[PassList], price: float) -> list[PassList]:
    """The lists that are worth more than -Oz, the best first."""
    ranked = sorted(population, key=lambda p: (-judges.value(p, price), len(p), str(p)))
    return [p for p in ranked if judges.value(p, price) > 0]


def _parents(judges: Panel, population: Sequence[PassList], prices: Sequence[float]) -> list[PassList]:
    """The best at each price, and those that are best together: one family of good lists would close the search."""
    of_each = max(_PARENTS // (2 * len(prices)), 1)
    best = [p for price in prices for p in _worthy(judges, population, price)[:of_each]]
    together = judges.together(population, _PARENTS)
    return list(dict.fromkeys([*best, *together]))[:_PARENTS] or list(population)


def _choose(judges: Panel, population: Sequence[PassList], settings: Settings) -> list[PassList]:
    """The best at each price; a third that are best together of those worth a price at all; then of all worth it."""
    worthy = [_worthy(judges, population, price) for price in settings.prices]
    safe = next((lists for lists, price in zip(worthy, settings.prices, strict=True) if price > 0), [])
    chosen = [*(p for lists in worthy for p in lists[:1]), *judges.together(safe, settings.size // 3)]
    return list(dict.fromkeys([*chosen, *judges.together(worthy[0], settings.size)]))[: settings.size]


def _with_oz(pass_lists: Sequence[PassList]) -> list[PassList]:
    """Each with -Oz behind it, and with -Oz before it; not those that are lists of the run already."""
    others = [tuple(name for name in p.names if name not in OZ.names) for p in pass_lists]
    made = (PassList(names) for rest in others for names in ((*rest, *OZ.names), (*OZ.names, *rest)))
    return [p for p in dict.fromkeys(made) if p not in (OZ, *pass_lists) and len(p) <= _MAX_LENGTH]


def _children(
    parents: Sequence[PassList], tried: Collection[PassList], rng: random.Random, passes: Sequence[Pass]
) -> list[PassList]:
    """A batch of changed parents that were not tried before."""
    children: dict[PassList, None] = {}
    while len(children) < _BATCH:
        child = mutate(rng.choice(parents), parents, rng, passes)
        if child not in tried and len(child) <= _MAX_LENGTH:
            children[child] = None
    return list(children)


def _shares(judges: Panel, pass_list: PassList) -> tuple[float, float]:
    """Of one list for all functions: improvement over -Oz, and share of functions made larger, both in percent."""
    saved = judges.saved[pass_list]
    return (
        round(100 * float(saved.sum()) / max(int(judges.baseline.sum()), 1), 4),
        round(100 * float((saved < 0).mean()), 2),
    )


def _coreset(
    corpus: Corpus, objective: Objective, judges: Panel, chosen: Sequence[PassList], settings: Settings
) -> Coreset:
    counts = judges.baseline[:, None] - np.column_stack([judges.saved[p] for p in chosen])
    return Coreset(
        int(corpus.manifest["llvm"].split(".")[0]),
        corpus.protocol,
        objective,
        f"passformer universal --budget {settings.budget}, judged on {len(judges.functions)} functions",
        tuple(chosen),
        tuple(cover_improvements(judges.baseline, counts, range(len(chosen)))),
    )
