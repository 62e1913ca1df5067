"""The wrapper: clang to everyone who looks, smaller objects for those at a level for size."""

import socket
import subprocess
from pathlib import Path

import pytest

from passformer.build.protocol import socket_path
from passformer.build.report import read_log
from passformer.llvm.locate import find_toolchain
from reference import PROGRAMS, parse_elf


def clang(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(find_toolchain().clang), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def text_bytes(path: Path) -> int:
    elf = parse_elf(path.read_bytes())
    return elf.code + elf.read_only


def test_objects_get_smaller_and_what_clang_says_stays(cc, tmp_path):
    source = tmp_path / "json.c"
    source.write_text((PROGRAMS / "json.c").read_text() + "\nint odd(void) { int unused; return 1; }\n")
    plain = clang(tmp_path, "-Oz", "-Wall", "-MD", "-c", source, "-o", "plain.o")
    done = cc("-Oz", "-Wall", "-MD", "-c", source, "-o", "ours.o")
    assert (done.returncode, done.stdout, done.stderr) == (0, plain.stdout, plain.stderr) and "unused" in done.stderr
    assert text_bytes(tmp_path / "ours.o") < text_bytes(tmp_path / "plain.o")
    assert (tmp_path / "ours.d").read_text() == (tmp_path / "plain.d").read_text().replace("plain.o", "ours.o")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["json.c", "ours.d", "ours.o", "plain.d", "plain.o"]
    assert (tmp_path / "ours.o").stat().st_mode == (tmp_path / "plain.o").stat().st_mode


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("-O2", "-c", "a.c", "-o", "x.o"),
        ("-Oz", "-E", "a.c"),
        ("-Oz", "-S", "a.c", "-o", "-"),
        ("-Oz", "-c", "broken.c"),
        ("-Oz", "-c", "nowhere.c"),
        ("-Oz", "-c", "a.c", "-fnonsense"),
        (),
    ],
)
def test_everything_else_is_clangs(cc, tmp_path, arguments):
    (tmp_path / "a.c").write_text("int f(int x) { return x + 1; }\n")
    (tmp_path / "broken.c").write_text("int f( {\n")
    ours = cc(*arguments)
    made = (tmp_path / "x.o").read_bytes() if (tmp_path / "x.o").exists() else None
    theirs = clang(tmp_path, *arguments)
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)
    assert made is None or made == (tmp_path / "x.o").read_bytes()


def test_it_links_and_the_program_runs(cc, tmp_path):
    (tmp_path / "main.c").write_text('#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n')
    (tmp_path / "name.cpp").write_text("namespace a { int f(int x) { return x; } }\n")
    assert cc("-Oz", "-c", "main.c").returncode == 0
    linked = cc("main.o", "-o", "main")
    assert linked.returncode == 0, linked.stderr
    assert cc("-Oz", "-c", "name.cpp", cxx=True).returncode == 0
    assert subprocess.run([tmp_path / "main"], capture_output=True, text=True).stdout == "hello\n"


def test_as_a_launcher_the_named_compiler_is_used(cc, tmp_path):
    (tmp_path / "a.c").write_text("int f(int x) { return x + 1; }\n")
    done = cc(find_toolchain().clang, "-Oz", "-c", "a.c", "-o", "a.o")
    assert done.returncode == 0 and (tmp_path / "a.o").exists()


def test_without_a_server_clangs_object_stays_and_the_log_says_why(cc, tmp_path):
    (tmp_path / "a.c").write_text((PROGRAMS / "json.c").read_text())
    (tmp_path / "else").mkdir(mode=0o755)
    (tmp_path / "else" / "passformer").mkdir(mode=0o755)  # lets others in
    log = tmp_path / "why"
    done = cc("-Oz", "-c", "a.c", XDG_RUNTIME_DIR=str(tmp_path / "else"), PASSFORMER_LOG=str(log))
    assert done.returncode == 0 and done.stderr == ""
    (entry,) = read_log(path=log)
    assert "lets others in" in entry.reason and entry.recipe.is_plain
    clang(tmp_path, "-Oz", "-c", "a.c", "-o", "plain.o")
    assert (tmp_path / "a.o").read_bytes() == (tmp_path / "plain.o").read_bytes()


def test_nonsense_on_the_socket_does_no_harm(cc, environment, tmp_path, monkeypatch):
    (tmp_path / "a.c").write_text((PROGRAMS / "json.c").read_text())
    assert cc("-Oz", "-c", "a.c").returncode == 0
    size = text_bytes(tmp_path / "a.o")
    monkeypatch.setenv("XDG_RUNTIME_DIR", environment["XDG_RUNTIME_DIR"])
    (path,) = Path(socket_path("x")).parent.glob("*.sock")
    for message in (b"", b"\n", b"[]\n", b'{"a": 1}\n', b"\xff\n"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(message)
    assert cc("-Oz", "-c", "a.c").returncode == 0 and text_bytes(tmp_path / "a.o") == size


def test_each_stage_can_be_turned_off(cc, tmp_path):
    (tmp_path / "a.c").write_text((PROGRAMS / "json.c").read_text())
    recipes = {}
    for lists, functions in (("4", "0"), ("4", "4")):
        places = {"PASSFORMER_LOG": str(tmp_path / f"log{functions}")}
        done = cc("-Oz", "-c", "a.c", PASSFORMER_BUDGET=lists, PASSFORMER_FUNCTION_BUDGET=functions, **places)
        assert done.returncode == 0
        (entry,) = read_log(path=Path(places["PASSFORMER_LOG"]))
        assert entry.tried == int(lists) + int(functions)
        recipes[functions] = entry.recipe
    assert not recipes["0"].functions and recipes["4"].functions
    log = tmp_path / "log"
    assert cc("-Oz", "-c", "a.c", PASSFORMER_BUDGET="4", PASSFORMER_LOG=str(log)).returncode == 0
    assert read_log(path=log)[0].tried == 6, "half as many for functions"
