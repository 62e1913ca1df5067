"""Autotune a corpus: search long on a sample, choose lists that together cover its gain, try them on every function.

Searching longer on few functions and broadcasting the winners finds more than searching a little on each, at a small
part of the cost. Three stages, each with a journal, so that a killed run goes on:

1. `search`: a search algorithm on each sampled function; the winner is minimised.
2. `select`: the winners that gained most are run on the whole sample; a greedy cover orders them.
3. `broadcast`: the first lists of that order on every function.
"""

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from passformer.autotune.coreset import Coreset, load_coreset
from passformer.autotune.cover import cover_improvements, greedy_cover
from passformer.autotune.engine import Engine
from passformer.autotune.journal import Journal
from passformer.autotune.sample import random_pass_lists
from passformer.autotune.search import SEARCHES
from passformer.autotune.statetable import whole_runner
from passformer.autotune.trial import Trial, minimise
from passformer.autotune.tunings import Matrix, matrix_of, write_curves, write_tunings
from passformer.corpus.files import alone, atomic, claim
from passformer.corpus.store import SPLITS, Corpus, Function, draw_order
from passformer.llvm.catalog import searched_passes
from passformer.llvm.errors import InputError
from passformer.llvm.objective import Objective
from passformer.llvm.passlist import OZ, PassList, pass_pipeline
from passformer.llvm.progress import Report, silent
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Sandbox

STAGES = ("search", "select", "broadcast")
CANDIDATES_PER_LIST = 4
"""How many winners stage 2 runs on the sample for each list that stage 3 is to try."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is done, and so what a run may be resumed with."""

    budget: int = 80
    """Lists that stage 3 tries on every function."""
    sample: int | None = None
    """Functions that stage 1 searches on; None for a twentieth, 50 at least and 2,000 at most."""
    search_budget: int | None = None
    """Lists for each of these; None for ten times `budget`."""
    search: str = "mutation"
    splits: tuple[str, ...] = SPLITS
    """Which functions; the sample is drawn from train where that is among them."""
    lists: str = ""
    """A coreset file that takes the place of stages 1 and 2 in choosing the lists of stage 3."""
    seed: int = 0
    objective: Objective = Objective.INSTRUCTIONS


@dataclass(frozen=True, slots=True)
class SearchJob:
    """Stage 1 for one function."""

    function: Function
    llvm: int
    protocol: Protocol
    settings: Settings
    budget: int


@dataclass(frozen=True, slots=True)
class ListsJob:
    """Stages 2 and 3 for one function: these lists, in this order."""

    function: Function
    llvm: int
    protocol: Protocol
    pass_lists: tuple[PassList, ...]
    objective: Objective


def search_one(sandbox: Sandbox, job: SearchJob) -> dict[str, Any]:
    """Search and minimise; the winner's count is confirmed by running it whole."""
    objective = job.settings.objective
    trial = Trial(sandbox, job.function.ir, job.llvm, job.budget, job.protocol, objective=objective)
    rng = random.Random(f"{job.settings.seed} {job.function.id}")
    SEARCHES[job.settings.search](trial, rng, searched_passes(job.llvm))
    trial.budget += 1000  # minimising is not searching: it has its own, ample budget

    def still_best(candidate: PassList) -> bool:
        return trial.try_lists([candidate]) == [trial.best]

    winner = minimise(trial.winner, still_best) if trial.best < trial.baseline else OZ
    pipelines = [pass_pipeline(name, job.llvm, job.protocol) for name in winner.names]
    (confirmed,) = sandbox.map(partial(whole_runner, objective=objective), job.function.ir, [pipelines])
    count = getattr(confirmed, "count", trial.baseline)
    if count >= trial.baseline:
        winner, count = OZ, trial.baseline
    return {**_record(job.function, trial), "winner": str(winner), "best": count, "curve": _thin(trial)}


def try_lists_one(sandbox: Sandbox, job: ListsJob) -> dict[str, Any]:
    """Count of each list; null where LLVM did not survive it."""
    trial = Trial(sandbox, job.function.ir, job.llvm, len(job.pass_lists), job.protocol, objective=job.objective)
    counts = trial.try_lists(job.pass_lists)
    return {**_record(job.function, trial), "best": trial.best, "counts": counts}


def autotune(
    corpus: Corpus, folder: Path, engine: Engine, settings: Settings, report: Report = silent
) -> dict[str, Any]:
    """Run or resume all stages; results lie in `folder`. Returns the summary, at once where the run is finished.

    Raises InputError where the folder holds a run with other settings, or no function is in the splits asked for.
    """
    with alone(folder):
        return _autotune(corpus, folder, engine, settings, report)


def _autotune(corpus: Corpus, folder: Path, engine: Engine, settings: Settings, report: Report) -> dict[str, Any]:
    other = f"{folder} {{}}: give this run another --name, or remove that"
    claim(folder / "settings.json", asdict(settings), other.format("holds a run with other settings"))
    begun = other.format("was begun with other lists")  # a journal's columns are its lists, in their order
    summary_file = folder / "summary.json"
    if summary_file.exists():
        return {**json.loads(summary_file.read_text()), "compilations": 0, "seconds": 0.0}
    started, cpu_started = time.perf_counter(), time.process_time()
    functions = list(corpus.functions(settings.splits))
    if not functions:
        raise InputError(f"{corpus.folder} has no function in {', '.join(settings.splits)}")
    llvm = int(corpus.manifest["llvm"].split(".")[0])
    search = Journal(folder / "search.jsonl")
    sample = _sample(functions, settings)
    budget = settings.search_budget if settings.search_budget is not None else 10 * settings.budget
    jobs = (SearchJob(f, llvm, corpus.protocol, settings, budget) for f in sample)
    compilations = _run_stage("search", engine, search_one, jobs, len(sample), search, report)
    if settings.lists:
        lists = load_coreset(Path(settings.lists)).pass_lists
    else:
        lists = _candidates(search, CANDIDATES_PER_LIST * settings.budget)
        claim(folder / "select.json", [str(p) for p in lists], begun)
        select = Journal(folder / "select.jsonl")
        list_jobs = (ListsJob(f, llvm, corpus.protocol, lists, settings.objective) for f in sample)
        compilations += _run_stage("select", engine, try_lists_one, list_jobs, len(sample), select, report)
        lists = _select(corpus, settings, matrix_of(select, lists), llvm, folder)
    lists = lists[: settings.budget]
    claim(folder / "broadcast.json", [str(p) for p in lists], begun)
    broadcast = Journal(folder / "broadcast.jsonl")
    list_jobs = (ListsJob(f, llvm, corpus.protocol, lists, settings.objective) for f in functions)
    compilations += _run_stage("broadcast", engine, try_lists_one, list_jobs, len(functions), broadcast, report)
    write_tunings(folder, matrix_of(broadcast, lists), search)
    write_curves(folder, search)
    summary, seconds = _summary(folder, functions), time.perf_counter() - started
    summary |= {"seconds": seconds, "main_cpu_seconds": time.process_time() - cpu_started}
    summary["compilations_per_second"] = round(compilations / seconds, 1)  # of this process: others may have begun
    with atomic(summary_file) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    for stage in STAGES:  # what they held is in the Parquet files and the summary
        (folder / f"{stage}.jsonl").unlink(missing_ok=True)
    return summary


def check_settings(settings: Settings) -> None:
    """Raises InputError for a search or split that does not exist, or a coreset file that cannot be read."""
    if settings.search not in SEARCHES:
        raise InputError(f"no search is called {settings.search!r}: choose from {', '.join(SEARCHES)}")
    unknown = [name for name in settings.splits if name not in SPLITS]
    if unknown:
        raise InputError(f"no split is called {unknown[0]!r}: choose from {', '.join(SPLITS)}")
    if settings.lists:
        load_coreset(Path(settings.lists))


def _sample(functions: Sequence[Function], settings: Settings) -> list[Function]:
    """A seeded sample, from train where there is any."""
    pool = [f for f in functions if f.split == "train"] or list(functions)
    size = settings.sample if settings.sample is not None else min(2000, max(50, len(pool) // 20))
    return sorted(pool, key=lambda f: draw_order(f.id, settings.seed))[:size]


def _run_stage(
    stage: str,
    engine: Engine,
    task: Callable[[Sandbox, Any], dict[str, Any]],
    jobs: Iterable[SearchJob] | Iterable[ListsJob],
    total: int,
    journal: Journal,
    report: Report,
) -> int:
    """Run the jobs whose function is not in the journal yet; returns how many compilations that took."""
    baseline = best = compilations = 0
    for record in journal.records():
        baseline, best = baseline + record["baseline"], best + record["best"]
    open_jobs = (job for job in jobs if job.function.id not in journal.done)
    for record in engine.run(task, open_jobs):
        journal.append(record)
        baseline, best = baseline + record["baseline"], best + record["best"]
        compilations += record["compilations"]
        report(f"{stage}: {_improvement(baseline, best):.2f} %", len(journal.done), total)
    return compilations


def _candidates(search: Journal, number: int) -> tuple[PassList, ...]:
    """The winners that gained most, all functions together; a pass that was struck off since is not taken."""
    gains: Counter[str] = Counter()
    for record in search.records():
        gains[record["winner"]] += record["baseline"] - record["best"]
    ranked = map(PassList.parse, sorted(gains, key=lambda text: (-gains[text], text)))
    return tuple(islice((p for p in ranked if p != OZ and p.searched), number))


def _select(corpus: Corpus, settings: Settings, matrix: Matrix, llvm: int, folder: Path) -> tuple[PassList, ...]:
    """The order of a greedy cover of the sample's gain; saved as a coreset file beside the journals."""
    candidates = matrix.pass_lists
    order = greedy_cover(matrix.baseline, matrix.counts, settings.budget)
    # Lists that add nothing on the sample may still do so elsewhere: the budget is filled up in the order of gain.
    order += [i for i in range(len(candidates)) if i not in order][: settings.budget - len(order)]
    chosen = tuple(candidates[i] for i in order)
    made_by = f"passformer autotune, {len(matrix.function_ids)} functions sampled with seed {settings.seed}"
    coreset = Coreset(
        llvm,
        corpus.protocol,
        settings.objective,
        made_by,
        chosen,
        tuple(cover_improvements(matrix.baseline, matrix.counts, order)),
    )
    with atomic(folder / "lists.toml") as temporary:
        temporary.write_text(coreset.to_toml())
    # A small sample has few winners: what is left of the budget goes to random lists, the same for every function.
    padding = (p for p in random_pass_lists(f"{settings.seed} broadcast", searched_passes(llvm)) if p not in chosen)
    return (*chosen, *islice(padding, settings.budget - len(chosen)))


def _record(function: Function, trial: Trial) -> dict[str, Any]:
    return {
        "id": function.id,
        "baseline": trial.baseline,
        "compilations": trial.compilations,
        "passes_run": trial.num_passes_run,
        "cpu_seconds": round(trial.cpu_seconds, 5),
        "failures": [[str(p), f.kind, f.message] for p, f in trial.failures.items()],
    }


def _thin(trial: Trial) -> list[tuple[int, float, int]]:
    """The curve's points at which the best changed, and the last."""
    points = trial.curve
    kept = [p for i, p in enumerate(points) if i in (0, len(points) - 1) or p.best < points[i - 1].best]
    return [(p.compilations, round(p.cpu_seconds, 5), p.best) for p in kept]


def _summary(folder: Path, functions: Sequence[Function]) -> dict[str, Any]:
    """Totals over all stages, and the improvement over all functions with the best list of any stage."""
    source = {f.id: f.source for f in functions}
    baseline: dict[str, int] = {}
    best: dict[str, int] = {}
    failures: Counter[str] = Counter()
    stages: dict[str, dict[str, float]] = {}
    for stage in STAGES:
        totals = stages[stage] = {"functions": 0, "compilations": 0, "cpu_seconds": 0.0}
        for record in Journal(folder / f"{stage}.jsonl").records():
            baseline[record["id"]] = record["baseline"]
            best[record["id"]] = min(record["best"], best.get(record["id"], record["baseline"]))
            failures.update(kind for _, kind, _ in record["failures"])
            totals["functions"] += 1
            totals["compilations"] += record["compilations"]
            totals["cpu_seconds"] += record["cpu_seconds"]
    by_source: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for id_, count in baseline.items():
        by_source[source[id_]][0] += count
        by_source[source[id_]][1] += best[id_]
    return {
        "functions": len(baseline),
        "compilations": sum(totals["compilations"] for totals in stages.values()),
        "baseline": sum(baseline.values()),
        "improvement": _improvement(sum(baseline.values()), sum(best.values())),
        "improvement_by_source": {name: _improvement(*pair) for name, pair in sorted(by_source.items())},
        "improved": sum(best[i] < baseline[i] for i in baseline),
        "crashes": sum(failures.values()),
        "failures": dict(failures),
        "cpu_seconds": round(sum(totals["cpu_seconds"] for totals in stages.values()), 3),
        "stages": stages,
    }


def _improvement(baseline: int, best: int) -> float:
    return round(100 * (baseline - best) / baseline, 4) if baseline else 0.0
