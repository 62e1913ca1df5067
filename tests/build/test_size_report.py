"""The log's figures are those of the objects, and a lock file makes the same objects again."""

import json
import subprocess

import pytest
from typer.testing import CliRunner

from passformer.build.recipe import Recipe, read_lock, write_lock
from passformer.build.report import read_log, summarise
from passformer.cli import app
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import PassList
from reference import PROGRAMS, parse_elf

NAMES = ("json", "glob", "heap")


@pytest.fixture
def tree(cc, tmp_path):
    """(folder, log) of a small build, and clang's own objects beside it."""
    log = tmp_path / "log"
    for number, name in enumerate(NAMES):
        folder = tmp_path / f"part{number % 2}"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.c").write_text((PROGRAMS / f"{name}.c").read_text())
        assert (
            cc("-Oz", "-c", folder / f"{name}.c", "-o", folder / f"{name}.o", PASSFORMER_LOG=str(log)).returncode == 0
        )
    return tmp_path, log


def text_bytes(path) -> int:
    elf = parse_elf(path.read_bytes())
    return elf.code + elf.read_only


def test_the_figures_are_those_of_the_objects(tree):
    folder, log = tree
    clang = str(find_toolchain().clang)
    summary = summarise(read_log(folder, log))
    after = before = 0
    for path in folder.glob("part*/*.o"):
        after += text_bytes(path)
        subprocess.run([clang, "-Oz", "-c", path.with_suffix(".c"), "-o", folder / "plain.o"], check=True)
        before += text_bytes(folder / "plain.o")
    assert (summary["before"], summary["after"], summary["objects"]) == (before, after, 3) and after < before
    assert sum(row["after"] for row in summary["directories"]) == after and len(summary["directories"]) == 2
    assert summary["functions"][0]["before"] - summary["functions"][0]["after"] > 0
    assert [e.output.parent.name for e in read_log(folder / "part1", log)] == ["part1"]


def test_a_lock_file_makes_the_same_objects(tree, cc):
    folder, log = tree
    made = {path: path.read_bytes() for path in folder.glob("part*/*.o")}
    lock = folder / "passformer.lock"
    command = ["size-report", str(folder), "--log", str(log), "--lock", str(lock), "--html", str(folder / "a.html")]
    result = CliRunner().invoke(app, [*command, "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["objects"] == 3
    assert "json.o" in (folder / "a.html").read_text() and "<h2>By directory</h2>" in (folder / "a.html").read_text()
    for path in made:
        path.unlink()
        other = str(folder / "other")
        cc("-Oz", "-c", path.with_suffix(".c"), "-o", path, PASSFORMER_LOCK=str(lock), PASSFORMER_LOG=other)
    assert {path: path.read_bytes() for path in made} == made
    assert [e.tried for e in read_log(path=folder / "other")] == [0, 0, 0]
    assert CliRunner().invoke(app, command).exit_code == 0


def test_a_compilation_database_is_built_again(tree, environment, monkeypatch):
    folder, _ = tree
    for name in ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "PASSFORMER_CACHE", "PASSFORMER_BUDGET"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.setenv("PASSFORMER_LOG", str(folder / "again"))
    made = {path: path.read_bytes() for path in folder.glob("part*/*.o")}
    entries = [
        {"directory": str(p.parent), "file": f"{p.stem}.c", "command": f"gcc -O{level} -c {p.stem}.c -o {p.name}"}
        for p, level in zip(made, "z2z", strict=True)
    ]
    entries.append({"directory": str(folder), "file": "x.c", "arguments": ["cc", "-Oz", "-c", "x.c"]})
    (folder / "compile_commands.json").write_text(json.dumps(entries))
    for path in made:
        path.unlink()
    result = CliRunner().invoke(app, ["build", "-p", str(folder), "--json"])
    done = json.loads(result.stdout)
    assert result.exit_code == 1 and (done["compiled"], done["skipped"]) == (2, 1)
    assert len(done["failed"]) == 1 and "x.c" in next(iter(done["failed"]))
    assert sum(path.exists() and path.read_bytes() == data for path, data in made.items()) == 2
    CliRunner().invoke(app, ["build", "-p", str(folder), "--force"])
    assert all(path.read_bytes() == data for path, data in made.items())


def test_lock_files(tmp_path):
    functions = {'odd "name"\\': PassList.parse("-sroa"), "f": PassList.parse("-gvn -sroa")}
    recipes = {"a b.o": Recipe(PassList.parse("-O1"), functions), "c.o": Recipe(PassList.parse("-sroa -Oz"))}
    write_lock(recipes, 22, tmp_path / "lock")
    assert read_lock(tmp_path / "lock", 22) == {str(tmp_path / name): recipe for name, recipe in recipes.items()}
    with pytest.raises(InputError, match="LLVM 22"):
        read_lock(tmp_path / "lock", 21)
    for text in ("nonsense", 'llvm = 22\n[objects."a"]\nx = 1', "[objects]\na = 1"):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(InputError, match="no lock file"):
            read_lock(tmp_path / "bad", 22)


def test_no_log(tmp_path):
    result = CliRunner().invoke(app, ["size-report", "--log", str(tmp_path / "nothing")])
    assert isinstance(result.exception, InputError) and "no log of builds" in str(result.exception)
    (tmp_path / "text").write_text("this is no database, but long enough to be looked at" * 50)
    with pytest.raises(InputError, match="not a database"):
        read_log(path=tmp_path / "text")
