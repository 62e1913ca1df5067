"""What builds gained: from the log to a summary, a page and a lock file."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passformer.build.log import COLUMNS, log_path, opened
from passformer.build.recipe import Recipe, write_lock
from passformer.document import Bars, Block, Heading, Table, Text, to_html
from passformer.llvm.errors import InputError

MOST = 20
"""Rows of a list of the largest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object of the log."""

    output: Path
    recipe: Recipe
    plain: int
    """Bytes of code and read-only data in clang's object."""
    text: int
    """And in the one that took its place."""
    tried: int
    seconds: float
    reason: str
    """Why it was left alone."""
    functions: tuple[tuple[str, int, int], ...]
    """(name, bytes in clang's object, bytes)."""


def read_log(folder: Path | None = None, path: Path | None = None) -> list[Entry]:
    """The objects of a log that lie below a folder, by path. Raises InputError where there is no log, or none there."""
    path = path or log_path()
    functions: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    try:
        with opened(path, create=False) as database:
            rows = database.execute(f"SELECT {', '.join(COLUMNS)} FROM objects ORDER BY output").fetchall()
            for output, *sizes in database.execute("SELECT output, name, plain, bytes FROM functions"):
                functions[output].append(tuple(sizes))
    except OSError as error:
        raise InputError(f"{error}: builds under `passformer cc` write it") from None
    entries = [_entry(dict(zip(COLUMNS, row, strict=True)), functions) for row in rows]
    found = [e for e in entries if folder is None or e.output.is_relative_to(folder)]
    if not found:
        raise InputError(f"{path} knows no object below {folder}" if folder else f"{path} is empty")
    return found


def summarise(entries: Sequence[Entry]) -> dict[str, Any]:
    """Totals, by directory, by function, the largest wins, and why objects were left alone."""
    tried = [e for e in entries if not e.reason]
    directories: dict[str, list[Entry]] = defaultdict(list)
    for entry in tried:
        directories[str(entry.output.parent)].append(entry)
    functions = [(f"{e.output.name}: {name}", plain, now) for e in tried for name, plain, now in e.functions]
    return {
        **_total(tried),
        "left_alone": dict(Counter(e.reason for e in entries if e.reason)),
        "directories": [{"directory": name, **_total(group)} for name, group in sorted(directories.items())],
        "largest": _largest((str(e.output), e.plain, e.text) for e in tried),
        "functions": _largest(functions),
    }


def write_page(summary: dict[str, Any], path: Path) -> None:
    """One HTML page."""
    blocks: list[Block] = [
        Text(_sentence(summary)),
        Heading("By directory"),
        Bars("directory", _bars(summary["directories"], "directory")),
        Heading("The largest wins"),
        Bars("object", _bars(summary["largest"], "name")),
        Heading("The largest wins, by function"),
        Text("A function that was inlined everywhere, or merged with an equal one, has no bytes of its own left."),
        Bars("function", _bars(summary["functions"], "name")),
    ]
    if summary["left_alone"]:
        rows = sorted(summary["left_alone"].items(), key=lambda pair: -pair[1])
        table = Table(("why", "objects"), tuple((reason, f"{number:,}") for reason, number in rows))
        blocks += [Heading("Left as clang made them"), table]
    path.write_text(to_html("passformer: sizes of objects", blocks))


def write_lock_of(entries: Iterable[Entry], llvm: int, path: Path) -> None:
    """The lock file with which a build makes the same objects without trying anything."""
    folder = path.resolve().parent
    below = [e for e in entries if e.output.is_relative_to(folder)]
    write_lock({str(e.output.relative_to(folder)): e.recipe for e in below if not e.recipe.is_plain}, llvm, path)


def _sentence(summary: dict[str, Any]) -> str:
    saved = summary["before"] - summary["after"]
    share = 100 * saved / summary["before"] if summary["before"] else 0.0
    return (
        f"{summary['objects']:,} objects, {summary['smaller']:,} smaller than clang's: {summary['before']:,} bytes of "
        f"code and read-only data became {summary['after']:,}, {saved:,} fewer ({share:.2f} %)."
    )


def _bars(rows: Iterable[dict[str, Any]], name: str) -> tuple[tuple[str, int, int], ...]:
    return tuple((row[name], row["before"], row["after"]) for row in rows)


def _total(entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "objects": len(entries),
        "smaller": sum(e.text < e.plain for e in entries),
        "before": sum(e.plain for e in entries),
        "after": sum(e.text for e in entries),
        "seconds": round(sum(e.seconds for e in entries), 3),
    }


def _largest(sizes: Iterable[tuple[str, int, int]]) -> list[dict[str, Any]]:
    """Those that save most."""
    ranked = sorted((s for s in sizes if s[2] < s[1]), key=lambda size: (size[2] - size[1], size[0]))
    return [{"name": name, "before": before, "after": after} for name, before, after in ranked[:MOST]]


def _entry(row: dict[str, Any], functions: dict[str, list[tuple[str, int, int]]]) -> Entry:
    return Entry(
        Path(row["output"]),
        Recipe.from_json(row["recipe"]) if row["recipe"] else Recipe(),
        row["plain_text"] or 0,
        row["text"] or 0,
        row["tried"] or 0,
        row["seconds"] or 0.0,
        row["reason"],
        tuple(functions.get(row["output"], ())),
    )
