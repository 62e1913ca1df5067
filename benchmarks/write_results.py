"""Write docs/results/README.md, and the block of results in README.md, from the JSON files in docs/results.

Usage: python benchmarks/write_results.py
A section whose file is not there yet is left out.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from passformer.corpus.stats import to_markdown

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"
BEGIN = "<!-- results: written by `python benchmarks/write_results.py` from docs/results -->"
END = "<!-- end of results -->"
Data = dict[str, Any]


def read(name: str) -> Data | None:
    """One result file, if it is there."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def where(data: Data) -> str:
    """LLVM version, machine and commit of a result."""
    return f"LLVM {data['llvm']}, {data['machine']}, commit {data['commit']}"


def table(heads: list[str], rows: list[list[str]], left: int = 1) -> list[str]:
    """A Markdown table whose first `left` columns are text and whose others are figures."""
    rule = "|" + "---|" * left + "---:|" * (len(heads) - left)
    return [f"| {' | '.join(heads)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)]


def summary() -> list[str]:
    """The lines that the README quotes."""
    lines = []
    if files := read("optimize-files"):
        text, instructions = files["text"], files["instructions"]
        lines.append(
            f"- {text['files']} real files at a budget of {files['budget']}: {text['improvement']:.1f} % fewer bytes of code and "
            f"read-only data than `clang -Oz` in total (objective `text`), {instructions['improvement']:.1f} % fewer "
            f"instructions (objective `instructions`); {text['larger'] + instructions['larger']} files larger."
        )
    if built := read("real-projects"):
        whole = total_of(built)
        sizes, cost = whole["bytes"], {way: step["cpu_seconds"] for way, step in whole["build"].items()}
        lines.append(
            f"- Unmodified builds of {', '.join(built['projects'])} under `passformer cc`: "
            f"{100 * (sizes['plain'] - sizes['wrapped']) / sizes['plain']:.1f} % fewer bytes of code and read-only data than with "
            f"`clang -Oz`, {whole['larger']} of {whole['objects']} objects larger, {cost['wrapped'] / cost['plain']:.1f} times the "
            f"CPU time, {cost['cached'] / cost['plain']:.1f} times in the second build."
        )
    if tuned := read("autotune"):
        everything, gold = tuned["default"], tuned["gold"]
        lines.append(
            f"- The autotuner found {everything['by_source']['all']['improvement']:.1f} % fewer instructions than `clang -Oz` on "
            f"{everything['functions']:,} functions, and {gold['by_source']['all']['improvement']:.1f} % on the "
            f"{gold['by_source']['all']['functions']:,} test functions that it searched one by one."
        )
    if evaluation := read("evaluation"):
        found = {row["budget"]: row for row in evaluation["rows"] if row["method"] == "model"}
        lines.append(
            f"- The model, on {evaluation['functions']:,} test functions of programs that nothing was learnt from: with -Oz and one more "
            f"list run {found[1]['improvement']:.1f} % fewer instructions than `clang -Oz`, with five {found[5]['improvement']:.1f} %, where "
            f"the autotuner finds {evaluation['autotuner_improvement']:.1f} %; with nothing run but the list that it names "
            f"{found[0]['improvement']:.1f} %, {100 * found[0]['regressed'] / evaluation['functions']:.1f} % of the functions larger."
        )
    if verified := read("verify"):
        runs = verified["records"].values()
        lines.append(
            f"- Every pass list that ships was run on thousands of programs: {sum(r['runs'] for r in runs):,} runs, "
            f"{sum(r['miscompiles'] for r in runs)} programs of which behaved otherwise."
        )
    if bench := read("bench-compile"):
        lines.append(
            f"- {bench['in_process_per_second']:.0f} evaluations a second on one core, {bench['ratio']:.1f} times as many as by "
            "spawning `opt`."
        )
    if equality := read("oz-equality"):
        lines.append(
            f"- Our `-Oz` is the real one: {equality['equal']} of {equality['files']} real files have the instruction count of "
            "`clang -Oz`."
        )
    return lines


def files_section(files: Data) -> list[str]:
    rows = [
        [
            objective,
            f"`{row['method']}`",
            f"{row['files']}",
            f"{row['baseline']:,}",
            f"{row['result']:,}",
            f"{row['improvement']:.2f} %",
            f"{row['median_improvement']:.2f} %",
            f"{row['improved']}",
            f"{row['larger']}",
            f"{row['median_seconds']:.2f}",
        ]
        for objective, row in ((objective, files[objective]) for objective in ("instructions", "text"))
    ]
    heads = [
        "objective",
        "method",
        "files",
        "`clang -Oz`",
        "passformer",
        "saved",
        "median of files",
        "improved",
        "larger",
        "seconds",
    ]
    return [
        f"`benchmarks/optimize_files.py`, budget {files['budget']}; {where(files)}",
        "",
        *table(heads, rows, left=2),
    ]


def projects_section(built: Data) -> list[str]:
    rows = [*built["projects"].items(), ("total", total_of(built))]
    cells = []
    for name, row in rows:
        sizes, cost = row["bytes"], {way: step["cpu_seconds"] for way, step in row["build"].items()}
        saved = {way: 100 * (sizes["plain"] - sizes[way]) / sizes["plain"] for way in ("modules", "wrapped")}
        cells.append(
            [
                name,
                f"{row['objects']}",
                f"{row['smaller']}",
                f"{row['larger']}",
                f"{sizes['plain']:,}",
                f"{sizes['wrapped']:,}",
                f"{saved['wrapped']:.2f} %",
                f"{saved['modules']:.2f} %",
                f"{cost['plain']:.1f}",
                *(f"{cost[way] / cost['plain']:.2f}" for way in ("wrapped", "modules", "cached")),
                "pass" if row["passed"] else "FAIL",
            ]
        )
    heads = [
        "project",
        "objects",
        "smaller",
        "larger",
        "`clang -Oz`",
        "passformer",
        "saved",
        "modules only",
        "CPU-seconds of clang",
        "times that",
        "modules only",
        "again, from the cache",
        "tests",
    ]
    again = sum(row["same_again"] for row in built["projects"].values())
    tested = "; ".join(f"{name}: {row['tested']}" for name, row in built["projects"].items())
    left_out = [f"{name}: {reason}" for name, reason in built["left_out"].items()]
    return [
        f"`benchmarks/real_projects.py`, {built['budget']} pass lists a module and {built['function_budget']} a function; "
        f"{where(built)}",
        "",
        "Bytes of code and read-only data of all objects of a build, and user and system time of all its processes, the "
        "background server among them, which each build starts anew.",
        "",
        *table(heads, cells),
        "",
        f"The second build made {again} of {total_of(built)['objects']} objects again byte for byte. Tests: {tested}.",
        *(["", f"Left out: {'; '.join(left_out)}."] if left_out else []),
    ]


def total_of(built: Data) -> Data:
    """Sums over projects."""
    rows = list(built["projects"].values())
    ways = rows[0]["bytes"]
    return {
        **{name: sum(row[name] for row in rows) for name in ("objects", "smaller", "larger")},
        "bytes": {way: sum(row["bytes"][way] for row in rows) for way in ways},
        "build": {way: {"cpu_seconds": sum(r["build"][way]["cpu_seconds"] for r in rows)} for way in ways},
        "passed": all(row["passed"] for row in rows),
    }


def corpus_section(stats: Data) -> list[str]:
    return [f"`benchmarks/tuning_results.py`, from `passformer corpus stats`; {where(stats)}", "", to_markdown(stats)]


def autotune_section(tuned: Data) -> list[str]:
    default, gold, cost, labels = (tuned[name] for name in ("default", "gold", "cost", "labels"))
    settings = default["settings"]
    lines = [
        f"`benchmarks/tuning_results.py`; {where(tuned)}",
        "",
        f"Run `default` (train and validation): a search of {settings['search_budget']:,} lists on each of "
        f"{settings['sample']:,} functions, then {settings['budget']} lists on each of {default['functions']:,} functions; "
        f"{default['compilations']:,} compilations, {default['cpu_seconds'] / 3600:.1f} CPU-hours, {default['crashes']:,} lists "
        f"that LLVM did not survive. Run `gold` (test): a search of {gold['settings']['search_budget']:,} lists and the "
        f"{gold['settings']['budget']} of the broadcast on each of {gold['by_source']['all']['functions']:,} functions, the "
        f"broadcast on the others; {gold['compilations']:,} compilations in "
        f"{gold['seconds'] / 3600:.1f} hours, {gold['compilations_per_second']:,.0f} a second on this machine.",
        "",
        "Improvement of the best list known, per source:",
        "",
    ]
    runs = {"`clang -Oz`, train and validation": default, "`clang -Oz`, test (gold)": gold}
    if "paper" in tuned:
        runs["protocol `paper`, sample"] = tuned["paper"]
    sources = sorted({name for run in runs.values() for name in run["by_source"]} - {"all"})
    rows = []
    for name in (*sources, "all"):
        cells = [run["by_source"].get(name) for run in runs.values()]
        rows.append([name, *(f"{c['improvement']:.2f} % of {c['functions']:,} functions" if c else "" for c in cells)])
    lines += table(["source", *runs], rows)
    shown = [p for p in cost["points"] if p["search"] in (0, 50, 100, 200, 400, 800, 1500)]
    lines += [
        "",
        f"What a share of the gold gain costs, mean of {cost['functions']:,} test functions: the broadcast, then a search cut "
        "short.",
        "",
        *table(
            ["lists searched", "share of the gold gain", "CPU-seconds a function"],
            [[f"{p['search']:,}", f"{100 * p['share']:.1f} %", f"{p['cpu_seconds']:.3f}"] for p in shown],
        ),
        "",
    ]
    if enough := cost["enough"]:
        lines.append(
            f"{100 * enough['share']:.1f} % are reached with {enough['cpu_seconds']:.2f} CPU-seconds a function."
        )
    lines += [
        "",
        f"Labels: {labels['functions']:,} functions, {labels['improved']:,} with a list that beats -Oz. Entropy of the labels of "
        f"these: {labels['entropy_before']:.2f} bits if drawn from the lists that reach the best count, "
        f"{labels['entropy_after']:.2f} bits canonical; {labels['distinct_before']:,} and {labels['distinct_after']:,} distinct.",
    ]
    return lines


def curves_section(curves: Data) -> list[str]:
    seconds = ", ".join(f"{way}: {value:.2f}" for way, value in curves["mean_cpu_seconds"].items())
    return [
        f"`benchmarks/search_curves.py`, {curves['functions']} test functions, {curves['budget']:,} lists each, seed "
        f"{curves['seed']}; {where(curves)}",
        "",
        "![Improvement against compilations and CPU-seconds](search-curves.png)",
        "",
        f"CPU-seconds a function: {seconds}.",
    ]


def linear_section(cost: Data) -> list[str]:
    rows = [
        [
            f"{r['functions']:,}",
            f"{r['compilations']:,}",
            f"{r['cpu_seconds']:.1f}",
            f"{1000 * r['cpu_seconds'] / r['functions']:.1f}",
        ]
        for r in cost["rows"]
    ]
    return [
        f"`benchmarks/linear_cost.py`, seed {cost['seed']}; {where(cost)}",
        "",
        *table(["functions", "compilations", "CPU-seconds", "CPU-milliseconds a function"], rows),
        "",
        "![Cost of tuning against the number of functions](linear-cost.png)",
    ]


PAPER_FUNCTIONS = 100_000
PAPER_UNVERIFIED = {
    "model": (0, 3.01),
    "AutoPhase": (4_500_000, -3.85),
    "Coreset-NVP": (442_747, -1.88),
    "autotuner": (2_522_253_069, 5.03),
}
"""Table III of arXiv 2309.07062, on so many functions of test: method -> additional compilations, overall improvement in
percent."""
PAPER_BACKED_UP = {"model": (5_721, 3.52), "AutoPhase": (4_600_000, 1.02), "Coreset-NVP": (542_747, 2.55)}
"""Its Table IV, with -Oz as back-up."""
PAPER_MODEL = {"improved": 4_136, "regressed": 526}
"""Of the model in its Table III: functions improved and regressed."""
LIKE_OURS = {"AutoPhase": ("autophase", 45), "Coreset-NVP": ("coreset-nvp", 45), "model": ("model", 1)}
"""Its Table IV -> our method and budget that are like it."""
PAPER = {
    "share of the autotuner's gain, no additional compilation": ("60 %", ("model", 0), "capture"),
    "share of the autotuner's gain, with -Oz as back-up": ("70 %", ("model", 1), "capture"),
    "the same with priority sampling, 5 lists": ("91 %", ("model", 5), "capture"),
}
"""Figure -> the paper's (arXiv 2309.07062; the last of 2402.18734), which row of ours is like it, and its key."""

AIMS = {0: 40, 1: 52, 5: 75, 30: 90}
"""Additional compilations a function -> share of the gold autotuner's gain that the shipped model was to reach."""


def evaluation_section(evaluation: Data) -> list[str]:
    """Captures by method and budget, and the paper's figures beside ours under both protocols."""
    sides = {"`clang -Oz`": evaluation, **({"protocol `paper`": evaluation["paper"]} if "paper" in evaluation else {})}
    lines = [
        f"`benchmarks/evaluation.py`; {where(evaluation)}. All tables and figures: [the report](evaluation/report.md).",
        "",
        "Test functions, of groups of programs that nothing was learnt from: "
        f"{', '.join(f'{number:,} {source}' for source, number in evaluation['by_source'].items())}. "
        f"The corpus that the model and its rivals learn from has {evaluation['training_functions']:,} functions of train. `coreset` "
        "is the fixed order that ships, of the tuner's lists; the lists that the model chooses from, in a fixed order, stand among "
        "the attempts below. The trees choose from the same lists as the model; `nearest`, `coreset-nvp` and `autophase` know no "
        "universal lists; Coreset-NVP [was tried with them](#how-the-rivals-were-trained) too.",
    ]
    for side, data in sides.items():
        found = {(row["method"], row["budget"]): row for row in data["rows"] if row.get("back_up", True)}
        budgets = sorted({budget for _, budget in found})
        lines += [
            "",
            f"Against {side}: share of the autotuner's gain, {data['autotuner_improvement']:.2f} %, on {data['functions']:,} "
            "test functions, at so many additional compilations a function; in brackets the functions made larger.",
            "",
            *table(
                ["method", *map(str, budgets)],
                [
                    [method, *(_share(found.get((method, budget))) for budget in budgets)]
                    for method in dict.fromkeys(method for method, _ in found)
                ],
            ),
        ]
    rows = []
    for name, (theirs, key, figure) in PAPER.items():
        ours = [_found(data, key) for data in sides.values()]
        rows.append([name, theirs, *(f"{row[figure]:.1f} %" if row else "" for row in ours)])
    generated = evaluation["generation"]
    for name, theirs, measure in (
        ("generated code that compiles", "91 %", "compiles"),
        ("generated code that is exact", "70 %", "exact_match"),
    ):
        rows.append([name, theirs, f"{generated[measure]:.1f} %", *[""] * (len(sides) - 1)])
    return [
        *lines,
        "",
        *_beside_the_paper(evaluation, sides),
        "",
        *table(["figure", "the paper", *(f"ours, {side}" for side in sides)], rows),
        *_aims(evaluation),
    ]


def _beside_the_paper(evaluation: Data, sides: dict[str, Data]) -> list[str]:
    """Tables III and IV of the paper beside ours, and what is not the same."""
    rows = []
    for name, (compilations, printed) in PAPER_UNVERIFIED.items():
        key = ("model", 0) if name == "model" else LIKE_OURS.get(name)
        ours = [_ours(_found(data, key, back_up=name == "model")) if key else "" for data in sides.values()]
        if name == "autotuner":
            ours = [f"{data['autotuner_improvement']:.2f} %" for data in sides.values()]
        rows.append([f"Table III, {name}", *_theirs(compilations, printed), *ours])
    for name, (compilations, printed) in PAPER_BACKED_UP.items():
        ours = [_ours(_found(data, LIKE_OURS[name])) for data in sides.values()]
        rows.append([f"Table IV, {name}", *_theirs(compilations, printed), *ours])
    heads = ["", "printed", "as a share of -Oz", "compilations a function"]
    differs = [
        ["LLVM", "10", f"{evaluation['llvm']}"],
        ["-Oz", "`opt -Oz` on unoptimised IR", "`clang -Oz`" + (", and `opt`'s" if len(sides) > 1 else "")],
        ["functions of test", f"{PAPER_FUNCTIONS:,}", ", ".join(f"{data['functions']:,}" for data in sides.values())],
        [
            "sources of test",
            "AI-SOCO, ExeBench, POJ-104, TransCoder, csmith, YARPGen",
            ", ".join(evaluation["by_source"]),
        ],
        ["parameters of the model", "7,000,000,000", f"{evaluation['parameters']:,}"],
        ["functions learnt from", "1,000,000", f"{evaluation['training_functions']:,}"],
        ["the model sees", "unoptimised IR", "the same, or with a budget what -Oz leaves"],
    ]
    return [
        "Beside the paper (arXiv 2309.07062, Tables III and IV). What it prints as improvement is what was saved over what is "
        "left, as its instructions saved and lost tell; ours is what was saved over what -Oz gives. So its figures stand here "
        "in both ways. Ours: improvement, 95 % interval, in brackets functions improved and regressed, of "
        f"{evaluation['functions']:,}; those of its model, unverified: {PAPER_MODEL['improved']:,} and "
        f"{PAPER_MODEL['regressed']:,} of {PAPER_FUNCTIONS:,}. The autotuner's is that of the best list known.",
        "",
        *table([*heads, *(f"ours, {side}" for side in sides)], rows),
        "",
        "What differs, so that figures of both sides cannot be compared point by point:",
        "",
        *table(["", "the paper", "here"], differs, left=3),
    ]


def _theirs(compilations: int, printed: float) -> list[str]:
    """Of the paper's: before / after - 1 as it is printed, and 1 - after / before."""
    share = 100 * printed / (100 + printed)
    return [f"{printed:.2f} %", f"{share:.2f} %", f"{compilations / PAPER_FUNCTIONS:,.2f}"]


def _ours(row: Data | None) -> str:
    if row is None:
        return ""
    low, high = row["interval"]
    return f"{row['improvement']:.2f} %, {low:.2f} to {high:.2f} ({row['improved']:,}, {row['regressed']:,})"


def _found(data: Data, key: tuple[str, int], back_up: bool = True) -> Data | None:
    rows = (row for row in data["rows"] if row.get("back_up", True) == back_up)
    return next((row for row in rows if (row["method"], row["budget"]) == key), None)


def _aims(evaluation: Data) -> list[str]:
    """What was aimed at and what was reached; where something is missing, what was tried."""
    found = {row["budget"]: row["capture"] for row in evaluation["rows"] if row["method"] == "model"}
    lines = [
        "",
        "What we aimed at before the first model was trained, and what the shipped one reaches:",
        "",
        *table(
            ["additional compilations", "aim", "reached"],
            [[str(budget), f"{aim} %", f"{found[budget]:.1f} %"] for budget, aim in AIMS.items()],
        ),
    ]
    tried = {
        "training-runs": "larger, longer and other training ([training runs](#training-runs))",
        "universal-lists": "lists that are good on many functions ([universal lists](#universal-lists))",
        "ranking": "other ways to choose ([from probabilities to lists](#from-probabilities-to-lists))",
    }
    told = [what for name, what in tried.items() if read(name)]
    if told and any(found[budget] < aim for budget, aim in AIMS.items()):
        lines += ["", f"What was tried for what is missing: {', '.join(told)}."]
    if attempts := read("attempts"):
        lines += ["", *_attempts(attempts)]
    return lines


def _attempts(attempts: Data) -> list[str]:
    """What each set of weights and lists gave."""
    rows = [
        [row["name"], *(f"{share:.1f} %" for share in row["capture"].values()), f"{row['regressed']}"]
        for row in attempts["rows"]
    ]
    return [
        f"The attempts on these functions (`benchmarks/attempts.py`; commit {attempts['commit']}): share of the autotuner's gain at "
        "so many additional compilations, and functions made larger at none.",
        "",
        *table(["attempt", *attempts["rows"][0]["capture"], "larger"], rows),
    ]


def _share(row: Data | None) -> str:
    if row is None:
        return ""
    return f"{row['capture']:.1f} %" + (f" ({row['regressed']:,})" if row["regressed"] else "")


def latency_section(data: Data) -> list[str]:
    """What the model costs."""
    rows = [
        [
            budget,
            f"`{row['form']}`",
            f"{row['tokens']:.0f}",
            *(f"{row['milliseconds'][q]:.1f}" for q in ("50", "90", "99")),
        ]
        for budget, row in data["predictions"].items()
    ]
    return [
        f"`benchmarks/latency.py`, {data['functions']} functions of test, one core, the model loaded; {where(data)}",
        "",
        *table(["budget", "form", "tokens (median)", "ms (median)", "ms (90 %)", "ms (99 %)"], rows, left=2),
        "",
        f"`passformer optimize` on the function of median size, a new process each time: {data['optimize_seconds']:.2f} s.",
    ]


def training_section(data: Data, picture: str = "training.png") -> list[str]:
    """What was tried, and which view of the code is the better one."""
    cells = []
    for row in data["rows"]:
        changed = ", ".join(f"`{key} = {value}`" for key, value in row["changed"].items() if value is not None)
        for form, run in row["forms"].items():
            captures = [f"{run['capture'][str(k)]:.1f} %" for k in data["budgets"]]
            cells.append([row["name"], form, f"{row['step']:,}", f"{row['tokens'] / 1e6:.1f}", f"{row['hours']:.2f}"])
            cells[-1] += [*captures, changed]
            changed = ""
    heads = [
        "run",
        "form",
        "steps",
        "million tokens",
        "hours",
        *map(str, data["budgets"]),
        "other than in the last run",
    ]
    return [
        f"`benchmarks/training_runs.py`; commit {data['commit']}",
        "",
        "Share of the gain of the best lists known, with -Oz and so many lists verified, on "
        f"{data['rows'][-1]['forms']['with it']['functions']:,} functions of validation: few, so that a few points are noise.",
        "",
        *table(heads, cells, left=2),
        "",
        f"![The last run, against tokens seen]({picture})",
    ]


def ranking_section(data: Data) -> list[str]:
    """What is gained by choosing lists by what they save, not by their probability."""
    verified = [[way, *(f"{share:.1f} %" for share in shares)] for way, shares in data["verified"].items()]
    unverified = [
        [way, *(f"{run['capture']:.1f} % ({run['improved']:,}, {run['regressed']:,})" for run in runs)]
        for way, runs in data["unverified"].items()
    ]
    limits = ["any number" if limit == 1 else f"{100 * limit:.1f} %" for limit in data["limits"]]
    more = f" and {data['universal_lists']} universal ones (docs/autotune.md)" if data["universal_lists"] else ""
    return [
        f"`benchmarks/ranking.py`, {data['functions']:,} functions of train; {where(data)}",
        "",
        "The model's probabilities of the same lists, made lists to try in several ways: share of the gain of the best of all "
        "lists, with -Oz and so many lists verified. Whatever is learnt from one half of the groups is used on the other; the model "
        "itself has been shown most of these functions.",
        "",
        *table(["order", *map(str, data["budgets"])], verified),
        "",
        f"And one list, not verified (one that LLVM does not survive counts as {data['most']} instructions lost), or none where it is "
        "not worth the risk. How dear a risk is is found on the other half, such that so many of its functions get larger at most; "
        f"the shipped model allows {100 * data['most_regressed']:.1f} %. Of {data['tuned_lists']} lists of the tuner{more}: share of "
        "the gain, and in brackets functions improved and regressed:",
        "",
        *table(["the list", *limits], unverified),
    ]


def universal_section(data: Data) -> list[str]:
    """What a list does that is used for all functions."""
    rows = [
        [f"`{row['pass_list']}`", f"{row['improvement']:.2f} %", f"{row['improved']:.2f} %", f"{row['larger']:.2f} %"]
        for row in data["lists"]
    ]
    return [
        f"`benchmarks/universal_lists.py`; {where(data)}",
        "",
        f"Each list by itself on {data['functions']:,} functions of validation, none of which the search saw, unverified. Where each "
        f"function gets the best for it, these lists save {data['together']:.2f} %, and the {data['tuned_lists']} of the tuner "
        f"{data['tuned_best']:.2f} %.",
        "",
        *table(["for all functions", "improvement over -Oz", "functions improved", "regressed"], rows),
    ]


def baselines_section(data: Data) -> list[str]:
    """How the rivals were trained, and what was tried for them."""
    agent, tried = data["autophase"], data["coreset_nvp"]
    heads = ["network", "lists", "trained on", "batch", "best epoch", "seconds", "improvement", "share", "one shot", ""]
    rows = [
        [
            f"{row['width']} wide, {row['blocks']} blocks",
            row["lists"],
            row["device"],
            f"{row['batch']}",
            f"{row['epoch']} of {row['epochs_done']}",
            f"{row['seconds']:.0f}",
            f"{row['improvement']:.2f} %",
            f"{row['capture']:.1f} %",
            f"{row['one_shot']:.2f} %",
            "ships" if row["ships"] else "",
        ]
        for row in tried
    ]
    return [
        f"`benchmarks/baseline_training.py`, from what the trainings wrote; commit {data['commit']}",
        "",
        "![Improvement on validation functions, as training goes on](baseline-training.png)",
        "",
        f"AutoPhase: {agent['episodes']:,} episodes on {agent['functions']:,} functions. On {agent['validation_functions']} "
        f"functions of validation its best policy, after {agent['best']['episodes']:,} episodes, saves "
        f"{agent['best']['improvement']:.2f} % with -Oz as back-up, and {agent['best']['alone']:.2f} % without; the last one "
        f"{agent['last']['improvement']:.2f} and {agent['last']['alone']:.2f} %.",
        "",
        "Coreset-NVP, the networks that were tried, on functions of validation: improvement with 45 passes, its share of that of the "
        "best list known then, and the first list alone, unverified.",
        "",
        *table(heads, rows, left=3),
        "",
        "Universal lists are longer, so that fewer of them are tried before 45 passes have run.",
    ]


def ablations_section(ablations: Data) -> list[str]:
    """The paper's Table VI."""
    rows = [
        [
            row["name"],
            f"{row['one_shot']:.2f} % ({row['regressed']:,})",
            *(f"{row[f'improvement_{k}']:.2f} %" for k in ablations["budgets"]),
            f"{row['tokens'] / 1e6:.1f}",
        ]
        for row in ablations["rows"]
    ]
    first, optim = ablations["rows"][0], ablations["config"]["optim"]
    with_three = {row["name"]: row["improvement_3"] for row in ablations["rows"]}
    return [
        f"`benchmarks/ablations.py`; {where(ablations)}",
        "",
        f"`configs/{ablations['config']['name']}.toml`, {optim['steps']:,} steps of {optim['packs_per_step']} packs each; improvement "
        f"over `clang -Oz` on {first['functions']:,} functions of validation, on which the best lists known give "
        f"{first['possible']:.2f} %: the most probable list without verification (in brackets functions made larger; nothing keeps "
        "these models from naming a risky one, as the shipped model's price does), and with -Oz and so many lists verified. One seed "
        "each: how much the curves go up and down says how little a few tenths mean.",
        "",
        *table(["training", "one shot", *map(str, ablations["budgets"]), "million tokens"], rows),
        "",
        f"The first of them names a whole pass list by one token, as the paper proposes (VI-C): three lists save "
        f"{with_three['100 % of the data']:.2f} % so, and {with_three['a token for each pass']:.2f} % with a token for each pass.",
        "",
        "![Improvement against tokens seen](ablations.png)",
    ]


def long_section(data: Data) -> list[str]:
    """Section VI of the paper: longer inputs."""
    rows = [
        [
            row["variant"],
            f"{row['tokens']:,}",
            f"{row['rope_base']:,}",
            f"{row['improvement']:.2f} %",
            *(f"{row[f'improvement_{k}']:.2f} %" for k in (1, 3, 5)),
        ]
        for row in data["rows"]
    ]
    first, best = data["rows"][0], max(data["rows"], key=lambda row: row["improvement_5"])
    return [
        f"`benchmarks/long_inputs.py`; {where(data)}",
        "",
        f"{first['functions']:,} functions of validation whose prompt is longer than the {first['tokens']:,} tokens of training, "
        f"and at most twice as long; the best lists known give {first['possible']:.2f} %.",
        "",
        *table(["prompt", "tokens", "rotary base", "one shot", "1 list", "3 lists", "5 lists"], rows),
        "",
        f"The most is saved with five lists where the prompt is {best['variant']}.",
    ]


def translation_section(data: Data) -> list[str]:
    """The paper's Figure 7 and Listing 6."""
    optim = data["config"]["optim"]
    trained_on = data["trained_on"]
    sources = ", ".join(f"{count:,} {name}" for name, count in trained_on["by_source"].items())
    common = sum(count >= 1_000 for count in trained_on["by_pass"].values())
    lines = [
        f"`benchmarks/translation.py`; {where(data)}",
        "",
        f"Examples: {trained_on['examples']:,} ({sources}) of {len(trained_on['by_pass'])} passes, of which {common} have 1,000 and "
        f"more. A model was trained on those that fit {data['config']['data']['max_tokens']} tokens, for {optim['steps']:,} steps of "
        f"{optim['packs_per_step']} packs of {data['config']['data']['pack_tokens']:,} tokens. It wrote what a single pass makes of "
        f"a function of test, {data['examples']:,} times, with {len(data['by_pass'])} passes: BLEU {data['bleu']:.1f} (the code "
        f"before the pass, copied, would have {data['unchanged_bleu']:.1f}), {data['exact_match']:.1f} % to the character, "
        f"{data['compiles']:.1f} % accepted by LLVM.",
        "",
        "![By pass: BLEU, exact match, compiles; how often it stands in lists that improve and regress](translation.png)",
    ]
    for failure in data["failures"]:
        error = f" (`{failure['error']}`)" if failure["error"] else ""
        lines += ["", f"`-{failure['pass_name']}`, {failure['kind']}{error}; before, by LLVM, by the model:", ""]
        lines += [f"```llvm\n{failure[name].strip()}\n```" for name in ("before", "after", "written")]
    return lines


def verify_section(verified: Data) -> list[str]:
    sources = ", ".join(f"{count:,} {name}" for name, count in verified["by_source"].items())
    return [
        f"`benchmarks/verify_results.py`, from `passformer verify`; LLVM {verified['llvm']}",
        "",
        *table(
            ["what", "lists", "programs", "runs", "different", "LLVM failed", "rejected lists", "commit"],
            [
                [
                    name,
                    f"{run['lists']:,}",
                    f"{run['programs']:,}",
                    f"{run['runs']:,}",
                    f"{run['miscompiles']:,}",
                    f"{run['failures']:,}",
                    ", ".join(f"`{p}`" for p in run["rejected"]) or "none",
                    run["commit"],
                ]
                for name, run in verified["records"].items()
            ],
        ),
        "",
        f"Programs of the largest set: {sources}. {verified['left_out']:,} candidates were left out:",
        "",
        *table(["reason", "programs"], [[reason, f"{count:,}"] for reason, count in verified["reasons"].items()]),
    ]


def bench_section(bench: Data) -> list[str]:
    rows = [
        ["in process, table of results by IR state", f"{bench['in_process_per_second']:.0f}", f"{bench['ratio']:.1f}"],
        ["in process, each list whole", f"{bench['whole_per_second']:.0f}", f"{bench['ratio_whole']:.1f}"],
        ["spawned opt", f"{bench['subprocess_per_second']:.0f}", "1"],
    ]
    return [
        f"`passformer bench compile`: {bench['functions']} functions, {bench['lists']} lists; {where(bench)}",
        "",
        *table(["how", "evaluations/s", "times spawned opt"], rows),
        "",
        f"Counts that differ between table and whole runs: {bench['different_counts']} of {bench['evaluations']:,}.",
    ]


def equality_section(equality: Data) -> list[str]:
    return [
        f"`benchmarks/oz_equality.py`; {where(equality)}",
        "",
        f"{equality['equal']} of {equality['files']} files have the same number of instructions.",
    ]


def stress_section(stress: Data) -> list[str]:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(stress["failures"].items()))
    return [
        f"`benchmarks/sandbox_stress.py`; {where(stress)}; each failure in `sandbox-stress.csv`",
        "",
        f"{stress['evaluations']:,} lists of {stress['passes']} passes over {stress['functions']} functions, twice: the parent "
        f"lived; {kinds}; of {stress['survivors']:,} survivors {stress['same_count_again']:,} had the same count in the second "
        f"run, and {stress['same_failure_kind_again']:,} failures were the same.",
    ]


def environment_section(stress: Data) -> list[str]:
    everything, median = stress["all"], stress["median"]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(everything["failures"].items())) or "no failure"
    rows = [
        [
            name,
            f"{stress['functions'] if name == 'all' else median['functions']:,}",
            f"{run['episodes']:,}",
            f"{run['steps']:,}",
            f"{run['steps_per_second']:,}",
            f"{run['steps_per_cpu_second']:,}",
        ]
        for name, run in (("all", everything), ("30 to 45 instructions", median))
    ]
    return [
        f"`benchmarks/environment_stress.py`, seed {stress['seed']}; {where(stress)}; load of the machine {stress['load']}",
        "",
        *table(["functions", "number", "episodes", "steps", "steps/s", "steps/CPU-second, host and worker"], rows),
        "",
        f"The host lived; {kinds}; of {everything['replayed']:,} episodes that were played again in a fresh worker "
        f"{everything['different_replays']:,} went otherwise.",
    ]


def dry_run_section(run: Data) -> list[str]:
    rows = [
        [
            row["gpu"],
            f"{row['gpus']}",
            f"{sum(v for k, v in row['gigabytes'].items() if k != 'of'):.1f} of {row['gigabytes']['of']}",
            f"{row['tokens_per_second_per_gpu']:,}",
            f"{row['days']:.1f}",
        ]
        for row in run["rows"]
    ]
    return [
        f"`benchmarks/dry_run.py`; commit {run['commit']}. Computed, not measured: the model is built on PyTorch's meta device.",
        "",
        f"Preset `{run['name']}`: {run['parameters']:,} parameters, {run['flops_per_token'] / 1e9:.1f} GFLOP a token of training, "
        f"{run['tokens'] / 1e9:.1f} billion tokens; GPUs are taken to reach {100 * run['share_of_peak']:.0f} % of their peak.",
        "",
        *table(["GPU", "number", "GB on each", "tokens a second and GPU", "days"], rows),
    ]


SECTIONS: dict[str, tuple[str, Callable[[Data], list[str]]]] = {
    "optimize-files": ("Whole files, `passformer optimize`", files_section),
    "real-projects": ("Real projects, `passformer cc`", projects_section),
    "corpus": ("The corpus", corpus_section),
    "autotune": ("The autotuner", autotune_section),
    "search-curves": ("Searches compared", curves_section),
    "linear-cost": ("Cost of tuning", linear_section),
    "evaluation": ("Methods compared", evaluation_section),
    "latency": ("What the model costs", latency_section),
    "training-runs": ("Training runs", training_section),
    "training-runs-cpu": (
        "Earlier training runs, on two cores and the corpus above",
        partial(training_section, picture="training-cpu.png"),
    ),
    "universal-lists": ("Universal lists", universal_section),
    "ranking": ("From probabilities to lists", ranking_section),
    "baseline-training": ("How the rivals were trained", baselines_section),
    "ablations": ("Ablations", ablations_section),
    "long-inputs": ("Longer inputs", long_section),
    "translation": ("Single passes as a translation task", translation_section),
    "verify": ("Differential testing", verify_section),
    "dry-run": ("The paper's model, on paper", dry_run_section),
    "bench-compile": ("In process against spawned opt", bench_section),
    "oz-equality": ("-Oz in process against `clang -Oz`", equality_section),
    "sandbox-stress": ("Random lists of every catalog pass", stress_section),
    "environment-stress": ("Random episodes of the environment", environment_section),
}
"""Result file -> title and what is said of it."""


def document() -> list[str]:
    """The page of results."""
    lines = [
        "# Results",
        "",
        "Written by `python benchmarks/write_results.py` from the JSON files beside this page.",
        "",
    ]
    for name, (title, section) in SECTIONS.items():
        if data := read(name):
            lines += [f"## {title}", "", *section(data), ""]
    return lines


def main() -> None:
    (RESULTS / "README.md").write_text("\n".join(document()))
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text("\n".join([before + BEGIN, *summary(), END + after]))


if __name__ == "__main__":
    main()
