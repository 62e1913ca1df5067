"""What builds made: a row an object, and a row a function, in one SQLite file of the user's.

The wrapper writes here too, so imports are light; whatever goes wrong here must not disturb a build.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

TYPE_CHECKING = False  # see __main__
if TYPE_CHECKING:
    import sqlite3
    from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    output TEXT PRIMARY KEY, source TEXT, recipe TEXT, plain_text INTEGER, text INTEGER, plain_others INTEGER,
    others INTEGER, tried INTEGER, seconds REAL, reason TEXT, time REAL
);
CREATE TABLE IF NOT EXISTS functions (output TEXT, name TEXT, plain INTEGER, bytes INTEGER);
CREATE INDEX IF NOT EXISTS functions_of ON functions (output);
"""
COLUMNS = (
    "output",  # absolute path of the object
    "source",
    "recipe",  # how it was made, as in a lock file; empty where clang's own object stayed
    "plain_text",  # bytes of code and read-only data in clang's object
    "text",  # and in the one that took its place
    "plain_others",  # bytes of what else is loaded: data, unwind tables
    "others",
    "tried",  # pass lists
    "seconds",
    "reason",  # why nothing was tried; empty where something was
)


def log_path() -> Path:
    """`PASSFORMER_LOG`, or a file in the user's state folder."""
    if chosen := os.environ.get("PASSFORMER_LOG"):
        return Path.cwd() / chosen
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "passformer" / "builds.sqlite"


def record(path: Path, row: dict[str, Any], functions: list[list[Any]]) -> None:
    """Put an object's row in the place of an earlier one; `functions` are [name, plain bytes, bytes].

    `time` is now. Raises OSError where the log cannot be written.
    """
    import time

    with opened(path) as database:
        values = [row.get(column) for column in COLUMNS]
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        database.execute(f"INSERT OR REPLACE INTO objects VALUES ({marks})", [*values, time.time()])
        database.execute("DELETE FROM functions WHERE output = ?", [row["output"]])
        rows = [[row["output"], *function] for function in functions]
        database.executemany("INSERT INTO functions VALUES (?, ?, ?, ?)", rows)


@contextlib.contextmanager
def opened(path: Path, create: bool = True) -> Iterator[sqlite3.Connection]:
    """The log, in one transaction. Raises OSError where there is none, or it cannot be used."""
    import sqlite3

    if not create and not path.exists():
        raise FileNotFoundError(f"{path}: there is no log of builds")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=20)
        try:
            database.execute("PRAGMA synchronous = OFF")
            database.executescript(_TABLES)
            with database:
                yield database
        finally:
            database.close()
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}") from None
