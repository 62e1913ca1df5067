"""Killed, crowded, out of space: an object is whole or not there."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from passformer.build.report import read_log
from reference import PROGRAMS

WRAPPER = [sys.executable, "-c", "import sys; from passformer.build.wrapper import main; main(sys.argv[1:])"]
COMPILE = [*WRAPPER, "-Oz", "-c", "a.c", "-o", "a.o"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.c").write_text((PROGRAMS / "json.c").read_text())
    return tmp_path


@pytest.fixture
def objects(folder: Path, environment: dict[str, str]) -> list[bytes]:
    """clang's own, and the smaller one; the server runs when this is done."""
    made = []
    for budget in ("0", "4"):
        subprocess.run(COMPILE, cwd=folder, env={**environment, "PASSFORMER_BUDGET": budget}, check=True)
        made.append((folder / "a.o").read_bytes())
    assert made[0] != made[1]
    return made


def servers(environment: dict[str, str]) -> list[int]:
    """Process ids of the test's own server."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        words = entry.read_bytes()
        if b"passformer.build.server" in words and environment["XDG_RUNTIME_DIR"].encode() in words:
            found.append(int(entry.parent.name))
    return found


def test_a_killed_wrapper_leaves_no_half_object(folder, environment, objects):
    begun = time.monotonic()
    subprocess.run(COMPILE, cwd=folder, env=environment, check=True)
    whole = time.monotonic() - begun
    outcomes = []
    for part in range(12):
        (folder / "a.o").unlink(missing_ok=True)
        process = subprocess.Popen(COMPILE, cwd=folder, env=environment, start_new_session=True)
        time.sleep(whole * part / 10)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        outcomes.append((folder / "a.o").read_bytes() if (folder / "a.o").exists() else None)
    assert {*outcomes} <= {None, *objects}
    assert outcomes[0] is None and outcomes[-1] is not None
    deadline = time.monotonic() + 10
    while [p.name for p in folder.iterdir() if "passformer" in p.name] and time.monotonic() < deadline:
        time.sleep(0.1)  # the server learns only now that nobody waits
    assert not [p.name for p in folder.iterdir() if "passformer" in p.name]


def test_a_killed_server_leaves_clangs_object_and_the_next_build_starts_another(folder, environment, objects):
    log = folder / "log"
    for delay in (0.1, 0.25, 0.4):
        process = subprocess.Popen(COMPILE, cwd=folder, env={**environment, "PASSFORMER_LOG": str(log)})
        time.sleep(delay)
        for pid in servers(environment):
            os.kill(pid, signal.SIGKILL)
        assert process.wait() == 0
        assert (folder / "a.o").read_bytes() in objects
    subprocess.run(COMPILE, cwd=folder, env=environment, check=True)
    assert (folder / "a.o").read_bytes() == objects[1]


def test_builds_at_once_share_a_cache(folder, environment, objects):
    copies = [folder / str(i) for i in range(2)]
    for copy in copies:
        copy.mkdir()
        for number in range(4):
            text = (folder / "a.c").read_text()
            (copy / f"{number}.c").write_text(f"int number{number};\n{text}")
    shared = {**environment, "PASSFORMER_CACHE": str(folder / "cache")}

    def build(copy: Path) -> list[subprocess.Popen[bytes]]:
        return [subprocess.Popen([*WRAPPER, "-Oz", "-c", f"{n}.c"], cwd=copy, env=shared) for n in range(4)]

    for _ in range(2):
        assert [p.wait() for p in [*build(copies[0]), *build(copies[1])]] == [0] * 8
        made = [[(copy / f"{n}.o").read_bytes() for n in range(4)] for copy in copies]
        assert made[0] == made[1]


def on_a_full_disk(folder: Path, size: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Compile to `full/a.o`, where `full` is a file system of its own with that much space.

    With a server of its own too, which ends with it: another would not see that file system.
    """
    (folder / "full").mkdir()
    command = [*WRAPPER, "-Oz", "-c", "a.c", "-o", "full/a.o"]
    script = f"mount -t tmpfs -o size={size} tmpfs full || exit 77\n{shlex.join(command)}\ncode=$?\n"
    script += "cp full/a.o a.o 2>/dev/null\nls -A full >&2\nexit $code"
    with tempfile.TemporaryDirectory(prefix="pf-") as run:  # short: a socket's path has at most 107 bytes
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
            cwd=folder,
            env={**environment, "XDG_RUNTIME_DIR": run},
            capture_output=True,
            text=True,
        )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no file system of its own here: {done.stderr}")
    return done


def test_a_full_disk_gives_clangs_own_error(folder, environment, objects):
    (folder / "a.o").unlink()
    done = on_a_full_disk(folder, "4k", environment)
    assert done.returncode not in (0, -signal.SIGKILL) and "No space left" in done.stderr
    assert not (folder / "a.o").exists()


def test_room_for_clangs_object_alone_is_enough(folder, environment, objects):
    log = folder / "log"
    kilobytes = -(-max(map(len, objects)) // 4096) * 4 + 4
    done = on_a_full_disk(folder, f"{kilobytes}k", {**environment, "PASSFORMER_LOG": str(log)})
    assert done.returncode == 0, done.stderr
    assert (folder / "a.o").read_bytes() in objects
    assert done.stderr.split() == ["a.o"], "nothing is left beside it, and nothing is said"
    (entry,) = read_log(path=log)
    assert "No space left" in entry.reason
