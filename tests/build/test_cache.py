"""Objects from the cache: the same as they were made, and only as long as nothing they were made from changed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from passformer.build import cache
from passformer.build.report import read_log
from passformer.llvm.locate import find_toolchain
from reference import PROGRAMS


@pytest.fixture
def build(cc, tmp_path):
    """Compile a.c, which includes a.h; returns how it went and whether the server or clang had to work for it."""
    (tmp_path / "a.h").write_text("#define N 3\n")
    (tmp_path / "a.c").write_text('#include "a.h"\nint n(void) { return N; }\n' + (PROGRAMS / "json.c").read_text())
    time.sleep(0.05)  # files as new as the compilation itself are not trusted

    def run(*more: str, **variables: str):
        work = {"PASSFORMER_CACHE": str(tmp_path / "cache"), "PASSFORMER_LOG": str(tmp_path / "log"), **variables}
        return cc("-Oz", "-MD", "-c", "a.c", "-o", "a.o", *more, **work)

    return run


def made(folder: Path) -> tuple[bytes, str]:
    found = (folder / "a.o").read_bytes(), (folder / "a.d").read_text()
    for name in ("a.o", "a.d"):
        (folder / name).unlink()
    return found


def broken(folder: Path) -> dict[str, str]:
    """Variables under which whatever is not in the cache stays as clang makes it."""
    (folder / "open").mkdir(exist_ok=True)
    (folder / "open" / "passformer").mkdir(mode=0o755, exist_ok=True)
    return {"XDG_RUNTIME_DIR": str(folder / "open")}


def test_a_second_build_takes_what_the_first_made(build, tmp_path):
    assert build().returncode == 0
    first = made(tmp_path)
    (entry,) = read_log(path=tmp_path / "log")
    assert entry.text < entry.plain and not entry.reason
    (tmp_path / "log").unlink()
    assert build(**broken(tmp_path)).returncode == 0 and made(tmp_path) == first
    assert read_log(path=tmp_path / "log") == [entry]


@pytest.mark.parametrize("change", ["source", "header", "gone", "flag", "budget", "off"])
def test_nothing_stale(build, tmp_path, change):
    build()
    first = made(tmp_path)
    more, variables = [], broken(tmp_path)
    if change == "source":
        (tmp_path / "a.c").write_text((tmp_path / "a.c").read_text().replace("return N", "return N + 1"))
    elif change == "header":
        (tmp_path / "a.h").write_text("#define N 4\n")
    elif change == "gone":
        (tmp_path / "a.h").unlink()
    elif change == "flag":
        more = ["-DM=5"]
    elif change == "budget":
        variables["PASSFORMER_BUDGET"] = "1"
    else:
        variables["PASSFORMER_CACHE"] = "0"
    done = build(*more, **variables)
    if change == "gone":
        assert done.returncode == 1 and "a.h" in done.stderr and not (tmp_path / "a.o").exists()
    else:
        assert made(tmp_path)[0] != first[0]


def test_versions_are_kept_side_by_side(build, tmp_path):
    objects = []
    for number in (3, 4):
        (tmp_path / "a.h").write_text(f"#define N {number}\n")
        time.sleep(0.05)
        build()
        objects.append(made(tmp_path))
    assert objects[0] != objects[1]
    for number, expected in zip((3, 4), objects, strict=True):
        (tmp_path / "a.h").write_text(f"#define N {number}\n")
        build(**broken(tmp_path))
        assert made(tmp_path) == expected


def test_warnings_are_said_every_time(build, tmp_path):
    (tmp_path / "a.c").write_text((tmp_path / "a.c").read_text() + "int odd(void) { int unused; return 1; }\n")
    time.sleep(0.05)
    first = build("-Wall")
    small = made(tmp_path)
    again = build("-Wall", **broken(tmp_path))
    assert "unused" in first.stderr == again.stderr and made(tmp_path) == small


def test_warnings_are_remembered(cc, tmp_path):
    (tmp_path / "clang").write_text(f'#!/bin/sh\necho >> ran\nexec {find_toolchain().clang} "$@"\n')
    (tmp_path / "clang").chmod(0o755)
    (tmp_path / "a.c").write_text("int odd(void) { int unused; return 1; }\n")
    time.sleep(0.05)
    arguments = (tmp_path / "clang", "-Oz", "-Wall", "-c", "a.c")
    first = cc(*arguments, PASSFORMER_CACHE=str(tmp_path / "cache"))
    ran = (tmp_path / "ran").read_text()
    again = cc(*arguments, PASSFORMER_CACHE=str(tmp_path / "cache"))
    assert "unused" in first.stderr == again.stderr and (tmp_path / "ran").read_text() == ran


def test_on_a_terminal_warnings_come_from_clang_itself(environment, tmp_path):
    (tmp_path / "a.c").write_text("int odd(void) { int unused; return 1; }\n")
    time.sleep(0.05)
    command = [sys.executable, "-m", "passformer", "cc", "-Oz", "-Wall", "-c", "a.c"]
    places = {**environment, "PASSFORMER_CACHE": str(tmp_path / "cache"), "TERM": "xterm"}
    subprocess.run(command, cwd=tmp_path, env=places, capture_output=True, check=True)
    ours, theirs = os.openpty()
    subprocess.run(command, cwd=tmp_path, env=places, stderr=theirs, check=True)
    os.close(theirs)
    assert b"unused" in (said := os.read(ours, 10_000)) and b"\x1b[" in said
    os.close(ours)


@pytest.mark.parametrize("text", ["const char *now = __TIME__;", 'asm(".incbin \\"a.h\\"");'])
def test_what_depends_on_more_than_sources_is_never_kept(build, tmp_path, text):
    (tmp_path / "a.c").write_text((tmp_path / "a.c").read_text() + text + "\n")
    time.sleep(0.05)
    assert build().returncode == 0
    assert not list((tmp_path / "cache").glob("*/*.json"))


def test_a_damaged_cache_is_no_cache(build, tmp_path):
    build()
    first = made(tmp_path)
    for path in (tmp_path / "cache").glob("*/*"):
        path.write_bytes(b"[1" if path.suffix else path.read_bytes()[:-1])
    assert build().returncode == 0 and made(tmp_path) == first


def test_what_was_not_used_longest_goes_first(tmp_path):
    begun = time.time_ns() + 10**9
    for number in range(10):
        cache.store(tmp_path, f"{number}0key", {}, [], begun, {"object": bytes([number]) * 1000})
    for age, path in enumerate(sorted(tmp_path.glob("*/*"), key=lambda p: (p.suffix == "", p.read_bytes()))):
        os.utime(path, (age, age))
    cache.read(tmp_path, cache.digest(bytes([0]) * 1000))
    cache.trim(tmp_path, 5000)
    left = {path.read_bytes()[0] for path in tmp_path.glob("*/*") if not path.suffix}
    assert left == {0, 7, 8, 9} and sum(p.stat().st_size for p in tmp_path.glob("*/*")) <= 4500
