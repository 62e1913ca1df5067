"""What people see: rich tables on stdout, progress on stderr."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from passformer.llvm.progress import Report
from passformer.optimize import Optimized

T = TypeVar("T")


def print_outcomes(outcomes: Sequence[Optimized]) -> None:
    """Before, after and saved for each file, and how to repeat the result with opt."""
    console = Console()
    table = Table(title=f"clang -Oz against passformer, LLVM {outcomes[0].llvm}", title_justify="left")
    for header in ("file", "what", "clang -Oz", "passformer", "saved"):
        table.add_column(header, justify="left" if header in ("file", "what") else "right", overflow="fold")
    for outcome in outcomes:
        _add_rows(table, escape(str(outcome.input)), [outcome])
    if len(outcomes) > 1:
        table.add_section()
        _add_rows(table, "total", outcomes)
    console.print(table)
    for outcome in outcomes:
        if len(outcomes) > 1:
            console.print(f"[bold]{escape(str(outcome.input))}[/bold]", highlight=False)
        _print_how(console, outcome)


def _add_rows(table: Table, label: str, outcomes: Sequence[Optimized]) -> None:
    before, after = [o.baseline for o in outcomes], [o.result for o in outcomes]
    instructions = sum(c.instructions for c in before), sum(c.instructions for c in after)
    text_bytes = sum(c.text_bytes for c in before), sum(c.text_bytes for c in after)
    table.add_row(label, "instructions", *_change(*instructions))
    table.add_row("", "code + rodata bytes", *_change(*text_bytes))


def _print_how(console: Console, outcome: Optimized) -> None:
    lines = [
        ("pass list", str(outcome.result.pass_list)),
        ("again by opt", f"opt -passes='{outcome.pipeline}'"),
        (
            "found by",
            f"{outcome.method}, {outcome.compilations} additional compilations, {outcome.seconds:.2f} s",
        ),
        *((f"{failure.kind}", f"{pass_list}: {failure.message}") for pass_list, failure in outcome.failures),
    ]
    for label, text in lines:
        console.print(Text(f"{label + ':':14}{text}"), soft_wrap=True)


def _change(before: int, after: int) -> tuple[str, str, Text]:
    saved = before - after
    percent = 100 * saved / before if before else 0.0
    style = "green" if saved > 0 else "red" if saved < 0 else "dim"
    return f"{before:,}", f"{after:,}", Text(f"{saved:,} ({percent:.1f} %)", style=style)


def print_passes(result: dict[str, Any]) -> None:
    """The catalog."""
    rows = result["passes"]
    table = Table(title="pass catalog", title_justify="left")
    for header in ("name", "kind", "pipeline", "searched", "why not, or what is wrong here"):
        table.add_column(header, overflow="fold")
    for row in rows:
        mark = Text("yes", style="green") if row["searched"] else Text("no", style="dim")
        remark = row["why"] if row["available"] else f"not here: {row['fault']}"
        table.add_row(f"-{row['name']}", row["kind"], escape(row["pipeline"]), mark, escape(remark))
    Console().print(table)
    print(f"{len(rows)} passes, {sum(r['searched'] and r['available'] for r in rows)} of them searched here")


def print_diagnosis(report: dict[str, Any]) -> None:
    """What `doctor` found."""
    console = Console()
    table = Table(show_header=False, box=None)
    table.add_row("LLVM", f"{report['llvm'].get('version', 'missing')}  {report['llvm'].get('library', '')}")
    table.add_row("clang", f"{report['clang'].get('version', 'missing')}  {report['clang'].get('path', '')}")
    table.add_row("targets", ", ".join(report["targets"]) or "none")
    known = "{name}, {parameters:,} parameters, LLVM {llvm}".format(**report["model"]) if report["model"] else "missing"
    table.add_row("model", known)
    table.add_row("extras", ", ".join(name for name, there in report["extras"].items() if there) or "none")
    console.print(table)
    for problem in report["problems"]:
        console.print(Text(f"problem: {problem}", style="yellow"), soft_wrap=True)
    if not report["problems"]:
        console.print("[green]all is well[/green]")


def print_manifest(manifest: dict[str, Any]) -> None:
    """What a corpus holds."""
    table = Table(title="corpus", title_justify="left")
    table.add_column("source")
    table.add_column("functions", justify="right")
    table.add_column("units that failed", justify="right")
    for source in sorted(manifest["by_source"].keys() | manifest["failed_by_source"].keys()):
        failed = manifest["failed_by_source"].get(source, 0)
        table.add_row(source, f"{manifest['by_source'].get(source, 0):,}", f"{failed:,}")
    console = Console()
    console.print(table)
    console.print(
        f"{manifest['functions']:,} functions, {manifest['instructions']:,} instructions; "
        f"{manifest['duplicates_removed']:,} duplicates removed",
        highlight=False,
    )


def print_stats(stats: dict[str, Any]) -> None:
    """Tables I and II."""
    console = Console()
    for number, split in (("I", "train"), ("II", "test")):
        table = Table(title=f"Table {number}: {split}", title_justify="left")
        table.add_column("source")
        for header in ("functions", "unoptimised instructions", *(("-Oz instructions",) if split == "test" else ())):
            table.add_column(header, justify="right")
        for source, row in sorted(stats[split].items()):
            counts = [row["functions"], row["instructions"], *([row["oz_instructions"]] if split == "test" else [])]
            table.add_row(source, *(f"{count:,}" for count in counts))
        console.print(table)


def print_tuning(summary: dict[str, Any]) -> None:
    """What a tuning run found."""
    table = Table(title="autotuner's improvement over -Oz", title_justify="left")
    table.add_column("source")
    table.add_column("smaller by", justify="right")
    for source, improvement in summary["improvement_by_source"].items():
        table.add_row(source, f"{improvement:.2f} %")
    table.add_section()
    table.add_row("all", f"{summary['improvement']:.2f} %")
    console = Console()
    console.print(table)
    console.print(
        f"{summary['functions']:,} functions, {summary['improved']:,} improved, "
        f"{summary['crashes']:,} lists that LLVM did not survive; {summary['compilations']:,} compilations",
        highlight=False,
    )


def print_coreset(result: dict[str, Any]) -> None:
    """A coreset, with the improvement that each further list brings."""
    table = Table(title=f"coreset from {result['functions']:,} functions", title_justify="left")
    table.add_column("", justify="right")
    table.add_column("pass list", overflow="fold")
    table.add_column("improvement so far", justify="right")
    for number, row in enumerate(result["lists"], 1):
        table.add_row(str(number), row["pass_list"], f"{row['improvement']:.2f} %")
    Console().print(table)
    print(f"written to {result['file']}{'' if result['verified'] else ', not verified'}")


def print_universal(result: dict[str, Any]) -> None:
    """Universal lists: what each does by itself, and what all do where each function gets the best of them."""
    table = Table(title=f"universal lists, judged on {result['functions']:,} functions", title_justify="left")
    table.add_column("", justify="right")
    table.add_column("pass list", overflow="fold")
    for title in ("alone", "made larger", "with those above"):
        table.add_column(title, justify="right")
    for number, row in enumerate(result["lists"], 1):
        figures = (f"{row[key]:.2f} %" for key in ("alone", "larger", "improvement"))
        table.add_row(str(number), row["pass_list"], *figures)
    Console().print(table)
    print(f"{result['tried']:,} lists tried, {result['judged']:,} judged; written to {result['file']}, not verified")


def print_labels(result: dict[str, Any]) -> None:
    """How many functions have which labels."""
    print(
        f"{result['functions']:,} functions, {result['improved']:,} with a list better than -Oz; entropy of these: "
        f"{result['entropy_before']:.2f} bits drawn from the best lists, {result['entropy_after']:.2f} bits canonical"
    )
    print(f"written to {result['file']}{'' if result['verified'] else ', not verified'}")


def print_sizes(summary: dict[str, Any]) -> None:
    """What builds gained: directories and the largest wins."""
    for key, name, title in (
        ("directories", "directory", "code and read-only data, bytes"),
        ("largest", "name", "the largest wins"),
        ("functions", "name", "the largest wins, by function"),
    ):
        table = Table(title=title, title_justify="left")
        table.add_column("directory" if key == "directories" else "object" if key == "largest" else "function")
        for head in ("clang -Oz", "passformer", "change"):
            table.add_column(head, justify="right")
        rows = [(row[name], row["before"], row["after"]) for row in summary[key]]
        if key == "directories":
            rows.append(("all", summary["before"], summary["after"]))
        for label, before, after in rows:
            change = f"{100 * (after - before) / before:+.1f} %" if before else ""
            table.add_row(label, f"{before:,}", f"{after:,}", change)
        if rows:
            Console().print(table)
    print(f"{summary['objects']:,} objects, {summary['smaller']:,} made smaller")
    for reason, number in summary["left_alone"].items():
        print(f"{number:,} left as clang made them: {reason}")


def print_evaluation(result: dict[str, Any]) -> None:
    """A method's row of the paper's Tables III and IV."""
    table = Table(title=f"{result['method']} against -Oz, {result['functions']:,} functions", title_justify="left")
    table.add_column("what")
    table.add_column("figure", justify="right")
    low, high = result["interval"]
    capture = "not known" if result["capture"] is None else f"{result['capture']:.1f} %"
    rows = {
        "additional compilations": f"{result['additional_compilations']:,}",
        "functions improved": f"{result['improved']:,}",
        "functions regressed": f"{result['regressed']:,}",
        "instructions saved": f"{result['instructions_saved']:,}",
        "instructions regressed": f"{result['instructions_regressed']:,}",
        "overall improvement": f"{result['overall_improvement']:.2f} % ({low:.2f} to {high:.2f})",
        "share of the autotuner's gain": capture,
        "code + rodata bytes saved": f"{result['text_bytes_saved']:,} of {result['text_bytes']:,}",
        "CPU-seconds": f"{result['cpu_seconds']:,.1f}",
    }
    for name, figure in rows.items():
        table.add_row(name, figure)
    Console().print(table)
    print(f"rows in {result['folder']}/results.parquet")


def print_verification(result: dict[str, Any]) -> None:
    """What ran, and what behaved otherwise."""
    table = Table(title=f"differential testing, LLVM {result['llvm']}", title_justify="left")
    for header in ("pass list", "programs", "runs", "different", "LLVM failed"):
        table.add_column(header, justify="left" if header == "pass list" else "right", overflow="fold")
    for row in result["records"]:
        wrong = Text(str(row["miscompiles"]), style="red" if row["miscompiles"] else "green")
        table.add_row(row["pass_list"], f"{row['programs']:,}", f"{row['runs']:,}", wrong, str(row["failures"]))
    console = Console()
    console.print(table)
    sources = ", ".join(f"{count:,} {source}" for source, count in result["by_source"].items())
    console.print(
        f"{result['runs']:,} runs of {result['programs']:,} programs ({sources}); {result['left_out']:,} left out; "
        f"{result['miscompiles']:,} behaved otherwise",
        highlight=False,
    )
    for name, pass_list in result["reproducers"].items():
        console.print(Text(f"{pass_list}: {result['folder']}/reproducers/{name}/run.sh"), soft_wrap=True)


def print_figures(result: dict[str, Any], indent: str = "") -> None:
    """A figure a line."""
    for name, value in result.items():
        label = f"{indent}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            print(label)
            print_figures(value, indent + "  ")
        else:
            shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else value
            print(f"{label:<32}{shown}")


def print_bench(result: dict[str, Any]) -> None:
    """The result of `bench compile`."""
    title = f"{result['functions']} functions x {result['lists']} lists, LLVM {result['llvm']}"
    table = Table(title=title, title_justify="left")
    table.add_column("how")
    table.add_column("evaluations/s", justify="right")
    table.add_row("in process, table of results by IR state", f"{result['in_process_per_second']:.0f}")
    table.add_row("in process, every list from its beginning", f"{result['whole_per_second']:.0f}")
    table.add_row("spawned opt", f"{result['subprocess_per_second']:.0f}")
    table.add_section()
    table.add_row("ratio of first to last", f"{result['ratio']:.1f}")
    table.add_row("ratio of second to last", f"{result['ratio_whole']:.1f}")
    Console().print(table)


def track(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """The items, with a progress bar on stderr once it is worth one."""
    with track_steps() as report:
        for done, item in enumerate(items, 1):
            yield item
            report(label, done, total)


@contextlib.contextmanager
def track_steps() -> Iterator[Report]:
    """Progress of a job of one or several steps on stderr: bar, rate and time left, or plain lines off a terminal.

    A step that goes on from earlier work calls first with what was done then, which does not count for its rate.
    """
    if not sys.stderr.isatty():
        yield _PlainLines().report
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def report(step: str, done: int, total: int) -> None:
            name = step.partition(": ")[0]
            if name not in bars:
                bars[name] = progress.add_task(step, total=total, completed=done)
            progress.update(bars[name], completed=done, total=total, description=step)

        yield report


class _PlainLines:
    """A line a step every ten seconds; the rate is that since the line before."""

    def __init__(self, every_seconds: float = 10.0) -> None:
        self._every = every_seconds
        self._last: dict[str, tuple[float, int]] = {}

    def report(self, step: str, done: int, total: int) -> None:
        name, now = step.partition(": ")[0], time.monotonic()
        then, before = self._last.setdefault(name, (now, done))
        if now - then >= self._every and done > before:
            self._last[name] = now, done
            rate = (done - before) / (now - then)
            left = (total - done) / rate
            print(f"{step}: {done}/{total}, {rate:.1f}/s, {left:.0f} s left", file=sys.stderr, flush=True)


class _Rate(ProgressColumn):
    """Finished items a second."""

    def render(self, task: Any) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")
