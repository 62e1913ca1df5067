"""The paper's tables and figures: a section is a function from the runs to blocks, none if there is nothing to show."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from passformer.dataset.prompt import parse_answer
from passformer.document import Block, Code, Figure, Heading, Table, Text
from passformer.evaluate import figures
from passformer.evaluate.behaviour import DIFFERENT, EQUIVALENT, UNTESTED
from passformer.evaluate.results import (
    OZ_TEXT,
    Counts,
    Result,
    at_budget,
    bootstrap,
    bootstrap_share,
    improvement,
    summarise,
    with_budget,
    without_back_up,
)
from passformer.evaluate.runs import SEARCHES, TRIES, Run, Runs
from passformer.llvm.passlist import PassList
from passformer.methods.generation import bleu, kind_of_error, mean_error

BUDGETS = (1, 2, 3, 5, 8, 16, 30, 64)
_SIZES = (0, 20, 50, 100, 200, 500, 10**9)
"""Bounds of the bins of unoptimised instructions."""
Interval = tuple[float, float, float]
"""A value, and the bounds of its 95 % interval."""


def introduction(runs: Runs) -> list[Block]:
    """What was measured."""
    first = runs.all[0]
    share = f"LLVM {first.summary['llvm']}, protocol `{first.summary['protocol']}`"
    known = ""
    if (best := runs.best_improvement) is not None:
        known = f" The best list that any tuning run knows of each function saves {best:.2f} %: the autotuner's gain."
    return [
        Text(
            f"{len(first.results):,} functions ({first.summary['split']}), {int(first.baseline.sum()):,} instructions "
            f"under -Oz; {share}. An improvement is (sum under -Oz - sum of results) / sum under -Oz; intervals are "
            "95 % bootstrap intervals over functions. Made by `passformer report` from what `passformer evaluate` left."
            + known
        )
    ]


def table_three(runs: Runs) -> list[Block]:
    """Without -Oz as back-up: no additional compilations, and for comparison what tries and searches."""
    rows = [_table_row(_name(run), run.summary) for run in runs.one_shot]
    for run in runs.tries:
        summary = {**summarise(map(without_back_up, run.results)), "text_bytes_saved": None}
        rows.append(_table_row(_name(run), summary))
    if not rows:
        return []
    return [
        Heading("Table III: one list, no additional compilation"),
        Text(
            "The first list of each method is the answer, whatever it gives; of those with additional compilations the "
            "best that they tried, -Oz only where they tried that."
        ),
        Table(_HEADS, tuple(rows)),
    ]


def table_four(runs: Runs) -> list[Block]:
    """With -Oz as back-up."""
    rows = []
    measured = {run.method: run for run in runs.all if run.budget == 1 and run.method not in SEARCHES}
    for run in runs.deepest:
        if run.method in measured:
            summary = measured[run.method].summary
        else:
            summary = {**summarise(with_budget(r, 1) for r in run.results), "text_bytes_saved": None}
        rows.append(_table_row(run.method, summary))
    rows += [_table_row(_name(run), run.summary) for run in runs.tries]
    if not rows:
        return []
    return [
        Heading("Table IV: one list, and -Oz as back-up"),
        Text("Both are run, the smaller is taken: one additional compilation, more for those that try or search."),
        Table(_HEADS, tuple(rows)),
    ]


def sampling(runs: Runs) -> list[Block]:
    """Improvement and capture against the number of lists tried (priority sampling)."""
    series: dict[str, tuple[list[float], list[Interval]]] = {}
    improvements, shares = [], []
    most = max((run.budget for run in runs.deepest), default=0)
    asked = [k for k in BUDGETS if k <= most]
    for run in runs.deepest:
        budgets = [k for k in asked if k <= run.budget]
        counts = [at_budget(run.results, k) for k in budgets]
        points = [_interval(run.baseline, c) for c in counts]
        series[run.method] = ([*map(float, budgets)], points)
        blank = [""] * (len(asked) - len(budgets))
        improvements.append([*map(_spread, points), *blank])
        if gain := runs.gain(run):
            shares.append([*(f"{100 * int((run.baseline - c).sum()) / gain:.1f}" for c in counts), *blank])
    if not series:
        return []
    for run in runs.searches:
        x, y = series.setdefault(run.method, ([], []))
        x.append(run.budget)
        y.append(_interval(run.baseline, run.result))
    label = "additional compilations a function"
    file = figures.lines(runs.folder / "budget.png", series, label, runs.best_improvement)
    heads = ("K", *(run.method for run in runs.deepest))
    blocks: list[Block] = [
        Heading("More than one list: improvement against additional compilations"),
        Figure(
            file,
            "Every method proposes lists in its order; the smallest result, -Oz among them, is taken. Bands are 95 % "
            "intervals. A method that searches is shown at each budget that it was run with.",
        ),
        Text("Improvement in percent with the first K lists, with 95 % intervals:"),
        Table(heads, tuple(zip(map(str, asked), *improvements, strict=True))),
    ]
    if shares:
        by_budget = tuple(zip(map(str, asked), *shares, strict=True))
        blocks += [Text("The share of the autotuner's gain, in percent:"), Table(heads, by_budget)]
    return blocks


def cost(runs: Runs) -> list[Block]:
    """Improvement against CPU time, the methods' own included."""
    series: dict[str, tuple[list[float], list[Interval]]] = {}
    rows = []
    for run in runs.all:
        if run.method == "oz":
            continue
        milliseconds = 1000 * run.summary["cpu_seconds"] / max(len(run.results), 1)
        x, y = series.setdefault(run.method, ([], []))
        x.append(milliseconds)
        y.append(_interval(run.baseline, run.result))
        rows.append((run.method, f"{run.budget:,}", f"{milliseconds:.1f}", *_overall(run.summary)))
    if not rows:
        return []
    file = figures.lines(runs.folder / "cpu.png", series, "CPU-milliseconds a function", runs.best_improvement)
    return [
        Heading("What it costs: improvement against CPU time"),
        Figure(
            file,
            "Time to find the lists and to run them, one core; a point an evaluation, of smaller to larger budgets. "
            "Bands are 95 % intervals.",
        ),
        Table(("method", "budget", "CPU-milliseconds a function", "overall improvement", "95 % interval"), tuple(rows)),
    ]


def lists_used(runs: Runs) -> list[Block]:
    """Figure 3: how often passes occur, and how long lists are."""
    chosen = _chosen_lists(runs)
    if "model" not in chosen:
        return []
    frequencies = {method: Counter(n for p in lists for n in set(p.names)) for method, lists in chosen.items()}
    top = [name for name, _ in frequencies["model"].most_common(25)]
    shares = {m: [100 * frequencies[m][name] / max(len(chosen[m]), 1) for name in top] for m in chosen}
    bars = figures.horizontal_bars(
        runs.folder / "passes.png", [f"-{n}" for n in top], shares, "share of lists with it, %"
    )
    longest = max(len(p) for lists in chosen.values() for p in lists)
    lengths = {
        m: [100 * sum(len(p) == n for p in lists) / max(len(lists), 1) for n in range(1, longest + 1)]
        for m, lists in chosen.items()
    }
    histogram = figures.grouped_bars(
        runs.folder / "lengths.png", [str(n) for n in range(1, longest + 1)], lengths, "share of lists, %"
    )
    rows = [
        (
            method,
            f"{len(lists):,}",
            f"{len(set(lists)):,}",
            f"{sum(map(len, lists)) / len(lists):.1f}",
            f"{max(map(len, lists))}",
        )
        for method, lists in chosen.items()
    ]
    return [
        Heading("Figure 3: passes and lengths of the lists"),
        Text(
            "Lists other than -Oz: those that the model names without additional compilations, and those that the "
            "autotuner found with its largest budget. The model chooses among lists that it was trained with: none of "
            "its lists is new."
        ),
        Table(("method", "functions", "distinct lists", "mean length", "longest"), tuple(rows)),
        Figure(bars, "The passes that the model names most often."),
        Figure(histogram, "Passes in a list."),
    ]


def by_source(runs: Runs) -> list[Block]:
    """Figure 4."""
    sources = sorted({r.source for r in runs.all[0].results})
    return _grouped(runs, "Figure 4: by source", "sources.png", sources, lambda r: r.source)


def by_size(runs: Runs) -> list[Block]:
    """Figure 5."""
    names = [f"{a + 1} to {b}" if b < 10**9 else f"over {a}" for a, b in pairwise(_SIZES)]

    def bin_of(r: Result) -> str:
        return names[max(int(np.searchsorted(_SIZES, r.instructions, side="left")) - 1, 0)]

    return _grouped(runs, "Figure 5: by size of the unoptimised function", "sizes.png", names, bin_of)


def generated_code(runs: Runs) -> list[Block]:
    """The paper's IV-D, its Table V and Figure 6."""
    blocks: list[Block] = []
    for run in runs.all:
        if not run.generated:
            continue
        label = _label(run)
        rows = [_generation_row(label, run.generated)]
        groups = {name: [r for r in run.generated if test(r)] for name, test in _LIST_QUALITY.items()}
        rows += [_generation_row(f"lists that are {name}", g) for name, g in groups.items() if g]
        errors = Counter(kind_of_error(r["error"]) for r in run.generated if r["error"])
        groups = {name: group for name, group in groups.items() if group}
        shares = {
            what: [_share_of([r[key] for r in group]) for group in groups.values()]
            for what, key in (("compiles", "compiles"), ("is exact", "exact"))
        }
        picture = figures.intervals(
            runs.folder / f"quality-{run.budget}.png",
            [f"{name}\n({len(group):,})" for name, group in groups.items()],
            shares,
            "generated code, %",
        )
        blocks += [
            Heading(f"Generated code: {label}"),
            Text(
                f"{len(run.generated):,} functions; the model writes the list, the counts before and after, and the "
                "optimised code. Errors of counts and BLEU are of what is an answer at all; the truth is what LLVM "
                "makes of the function with the same list."
            ),
            Table(_GENERATION_HEADS, tuple(rows)),
            Figure(
                picture,
                "Figure 6: code quality against the quality of the list, with 95 % intervals; in brackets functions.",
            ),
        ]
        if behaviour := Counter(r["behaviour"] for r in run.generated if r["behaviour"]):
            told = ", ".join(f"{behaviour[name]:,} {name}" for name in (EQUIVALENT, DIFFERENT, UNTESTED))
            blocks.append(
                Text(
                    f"{behaviour.total():,} answers compile and differ from the truth in their text. Run in place "
                    f"of the function in its Jotai program, on all its inputs: {told} (no driver that runs clean)."
                )
            )
        if errors:
            total = sum(errors.values())
            counted = [(f"{k}", f"{n:,}", f"{100 * n / total:.1f} %") for k, n in errors.most_common(15)]
            blocks += [
                Text("Table V: what LLVM says of code that it refuses."),
                Table(("message", "functions", "share"), tuple(counted)),
            ]
    return blocks


def better_than_search(runs: Runs) -> list[Block]:
    """The paper's Listing 1: where the model beats the autotuner."""
    wins = [
        (r.best - r.result, r, run)
        for run in runs.all
        if run.method == "model"
        for r in run.results
        if r.best is not None and r.result < r.best
    ]
    if not wins:
        return []
    unique: dict[str, tuple[int, Result, Run]] = {}
    for item in sorted(wins, key=lambda item: (item[2].budget, -item[0], item[1].function_id)):
        unique.setdefault(item[1].function_id, item)
    rows = [
        (
            r.function_id[:12],
            r.source,
            f"{r.baseline:,}",
            f"{r.best:,}",
            f"{r.result:,}",
            f"{run.budget}",
            f"`{r.pass_list}`",
        )
        for _, r, run in list(unique.values())[:10]
    ]
    heads = ("function", "source", "-Oz", "autotuner", "model", "budget", "the model's list")
    return [
        Heading("Where the model beats the autotuner"),
        Text(
            f"{len(unique):,} functions have a list of the model's that is better than the best that any search found."
        ),
        Table(heads, tuple(rows), left=2),
        *(_side_by_side(win) for win in next((run.wins for run in runs.all if run.method == "model" and run.wins), ())),
    ]


def _side_by_side(win: dict[str, Any]) -> Code:
    lists = win["lists"].items()
    return Code(
        tuple(f"{name}: {found['instructions']} instructions, `{found['pass_list']}`" for name, found in lists),
        tuple(found["ir"].rstrip() for _, found in lists),
    )


SECTIONS: tuple[Callable[[Runs], list[Block]], ...] = (
    introduction,
    table_three,
    table_four,
    sampling,
    cost,
    lists_used,
    by_source,
    by_size,
    generated_code,
    better_than_search,
)

_HEADS = (
    "method",
    "additional compilations",
    "functions improved",
    "functions regressed",
    "instructions saved",
    "instructions regressed",
    "overall improvement",
    "95 % interval",
    "share of the autotuner's gain",
    ".text + .rodata bytes saved",
)


_GENERATION_HEADS = (
    "",
    "functions",
    "compiles",
    "exact",
    "BLEU",
    "error of the count before",
    "error of the count after",
)
_LIST_QUALITY: dict[str, Callable[[dict[str, Any]], bool]] = {
    "worse than -Oz": lambda r: r["after"] > r["baseline"],
    "as good as -Oz": lambda r: r["after"] == r["baseline"],
    "better than -Oz": lambda r: r["after"] < r["baseline"],
}


def _share_of(values: Sequence[bool]) -> Interval:
    """In percent."""
    share, low, high = (100 * float(v) for v in bootstrap_share(values))
    return share, low, high


def _generation_row(name: str, rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    answers = [r for r in rows if r["predicted_after"] is not None]
    cells = [
        f"{len(rows):,}",
        *(f"{100 * sum(r[key] for r in rows) / len(rows):.1f} %" for key in ("compiles", "exact")),
    ]
    if not answers:
        return (name, *cells, "", "", "")
    score = bleu([parse_answer(r["text"]).ir for r in answers], [r["expected_ir"] for r in answers])
    errors = [mean_error([(r[f"predicted_{side}"], r[side]) for r in answers]) for side in ("before", "after")]
    return (name, *cells, f"{score:.1f}", *(f"{error:.1f} %" for error in errors))


def _table_row(name: str, summary: dict[str, Any]) -> tuple[str, ...]:
    saved = summary["text_bytes_saved"]
    return (
        name,
        f"{summary['additional_compilations']:,}",
        f"{summary['improved']:,}",
        f"{summary['regressed']:,}",
        f"{summary['instructions_saved']:,}",
        f"{summary['instructions_regressed']:,}",
        *_overall(summary),
        "" if summary["capture"] is None else f"{summary['capture']:.1f} %",
        "" if saved is None else f"{saved:,} ({100 * saved / max(summary['text_bytes'], 1):.2f} %)",
    )


def _overall(summary: dict[str, Any]) -> tuple[str, str]:
    low, high = summary["interval"]
    return f"{summary['overall_improvement']:.2f} %", f"{low:.2f} to {high:.2f}"


def _spread(found: Interval) -> str:
    value, low, high = found
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _interval(baseline: Counts, result: Counts) -> Interval:
    low, high = bootstrap(baseline, result)
    return improvement(baseline, result), low, high


def _name(run: Run) -> str:
    return f"{run.method}, {run.budget:,} {TRIES[run.method]}" if run.budget > 0 and run.method in TRIES else run.method


def _chosen_lists(runs: Runs) -> dict[str, list[PassList]]:
    """Method -> the lists other than -Oz that it chose: the model in one shot, the autotuner at its largest budget."""
    chosen: dict[str, list[PassList]] = {}
    for run in (*runs.one_shot, *(r for r in runs.all if r.method == "autotuner")):
        if run.method in ("model", "autotuner"):
            lists = [PassList.parse(r.pass_list) for r in run.results if r.pass_list != OZ_TEXT]
            if lists:
                chosen[run.method] = lists
    return chosen


def _grouped(
    runs: Runs, title: str, name: str, groups: Sequence[str], group_of: Callable[[Result], str]
) -> list[Block]:
    """Improvement in each group: of the one-shot methods, the model with a budget, and the best known."""
    members: dict[str, list[int]] = {group: [] for group in groups}
    for i, result in enumerate(runs.all[0].results):
        members[group_of(result)].append(i)
    groups = [group for group in groups if members[group]]
    if not groups:
        return []
    first = runs.all[0]
    columns = {_label(run): run.result for run in runs.all if run.method != "oz"}
    if runs.gain(first) is not None:
        columns["best list known"] = np.array([r.best for r in first.results], dtype=np.int64)
    values = {
        label: [_interval(first.baseline[members[group]], counts[members[group]]) for group in groups]
        for label, counts in columns.items()
    }
    drawn = {run.method: [v for v, _, _ in values[_label(run)]] for run in runs.one_shot if run.method != "oz"}
    if "best list known" in values:
        drawn["autotuner"] = [v for v, _, _ in values["best list known"]]
    blocks: list[Block] = [Heading(title)]
    if drawn:
        sized = [f"{group}\n({len(members[group]):,})" for group in groups]
        file = figures.grouped_bars(runs.folder / name, sized, drawn, figures.IMPROVEMENT)
        blocks.append(
            Figure(
                file,
                "One list, no additional compilation; the autotuner is the best list known; in brackets how many "
                "functions. Intervals are in the table.",
            )
        )
    heads = ("improvement in percent", *(f"{group} ({len(members[group]):,})" for group in groups))
    rows = [(label, *map(_spread, found)) for label, found in values.items()]
    return [*blocks, Table(heads, tuple(rows))]


def _label(run: Run) -> str:
    return f"{run.method}, budget {run.budget}"
