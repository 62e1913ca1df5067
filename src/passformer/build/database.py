"""Build all objects of a compilation database again, in place, each as `passformer cc` would."""

import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from passformer.build.levels import LEVELS, level_of
from passformer.corpus.sources.compile_commands import flags_of, language_of, read_database
from passformer.llvm.errors import InputError
from passformer.llvm.progress import Report, silent


def rebuild(folder: Path, jobs: int | None, force: bool, report: Report = silent) -> dict[str, Any]:
    """Run every C and C++ entry of `folder`/compile_commands.json; with `force` also those at other levels, as -Oz.

    Returns how many were `compiled`, `skipped` for their level, and why others `failed`. The sizes are in the log.
    Raises InputError where there is nothing to do.
    """
    database = folder / "compile_commands.json" if folder.is_dir() else folder
    entries = [entry for entry in read_database(database) if language_of(entry) and "-c" in entry["arguments"]]
    wanted = [entry for entry in entries if force or level_of(entry["arguments"]) in LEVELS]
    if not wanted:
        raise InputError(
            f"{database}: none of its {len(entries)} compilations is at -Oz or -Os: "
            "configure the build with -Oz, or let --force compile them so"
        )
    failures: Counter[str] = Counter()
    environment = {**os.environ, "PASSFORMER_FORCE": "1" if force else ""}
    with ThreadPoolExecutor(jobs or len(os.sched_getaffinity(0))) as pool:
        tasks = [pool.submit(_compile, entry, environment) for entry in wanted]
        for number, task in enumerate(as_completed(tasks), 1):
            if error := task.result():
                failures[error] += 1
            report("compiling", number, len(wanted))
    return {
        "compiled": len(wanted) - failures.total(),
        "skipped": len(entries) - len(wanted),
        "failed": dict(failures.most_common(20)),
    }


def _compile(entry: dict[str, Any], environment: dict[str, str]) -> str:
    """The first line of what went wrong, empty where nothing did."""
    name = "c++" if language_of(entry) == "c++" else "cc"
    command = [sys.executable, "-m", "passformer", name, *flags_of(entry)]
    try:
        done = subprocess.run(command, cwd=entry["directory"], env=environment, capture_output=True)
    except OSError as error:
        return f"{entry['directory']}: {error.strerror}"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return next((line for line in said if "error" in line), "clang failed") if done.returncode else ""
