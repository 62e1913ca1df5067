"""The command line, by clang's own word: what is ours, and the two commands that a smaller object needs."""

import subprocess
from pathlib import Path

import pytest

from passformer.build.arguments import Compilation, compilation_of
from passformer.build.levels import level_of
from passformer.build.wrapper import may_be_ours
from passformer.llvm.locate import find_toolchain
from reference import parse_elf

SOURCE = """
#include <stddef.h>
#ifndef SCALE
#define SCALE "one two"
#endif
static const char text[] = SCALE;
size_t length(const char *s) { size_t n = 0; while (s[n]) n++; return n; }
int twice(int x) { return 2 * x + text[x & 3]; }
"""


def ask(*arguments: object, cwd: Path) -> Compilation | None:
    command = [str(find_toolchain().clang), "-###", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    return compilation_of(done.stderr)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.c").write_text(SOURCE)
    (tmp_path / "b.cpp").write_text("int g(int x) { return x; }")
    (tmp_path / "s.S").write_text(".globl f\nf: ret\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "level", "output", "depfile"),
    [
        ("-Oz -c a.c", "Oz", "a.o", None),
        ("-O2 -c a.c -Os -o x/y.o", "Os", "x/y.o", None),
        ("-Oz -c -MD a.c -o a.lo", "Oz", "a.lo", "a.d"),
        ("-Oz -c -MMD -MP -MF deps/a.dep -MT q a.c", "Oz", "a.o", "deps/a.dep"),
        ("-g -Oz -c b.cpp -fPIC -ffunction-sections", "Oz", "b.o", None),
        ("-Oz -x c++ -c a.c", "Oz", "a.o", None),
        ("-Oz -c a.c -DSCALE='\"x y\"' --target=i386-linux-gnu", "Oz", "a.o", None),
    ],
)
def test_what_is_ours(folder, arguments, level, output, depfile):
    import shlex

    words = shlex.split(arguments)
    assert may_be_ours(words)
    found = ask(*words, cwd=folder)
    assert found is not None
    assert (found.level, str(found.output)) == (level, output)
    assert found.depfile == (Path(depfile) if depfile else None)


@pytest.mark.parametrize(
    "arguments",
    [
        "a.o -o a",
        "-c a.c",
        "-O2 -c a.c",
        "-Oz a.c -o a",
        "-Oz -S a.c",
        "-Oz -E a.c",
        "-Oz -c -M a.c",
        "-Oz -c @file",
        "-Oz -c -emit-llvm a.c",
        "-Oz -c -fsyntax-only a.c",
        "-Oz -c -",
        "--version",
        "",
    ],
)
def test_a_quick_look_leaves_most_alone(arguments):
    assert not may_be_ours(arguments.split())


@pytest.mark.parametrize(
    "arguments",
    [
        "-Oz -c a.c b.cpp",
        "-Oz -c s.S",
        "-Oz -c -flto a.c",
        "-Oz -c -fsanitize=address a.c",
        "-Oz -c -fprofile-instr-generate a.c",
        "-Oz -c --coverage a.c",
        "-Oz -c -mllvm -inline-threshold=3 a.c",
        "-Oz -c -g -gsplit-dwarf a.c",
        "-Oz -c -ftime-trace a.c",
        "-Oz -c a.c -o -",
        "-Oz -c -x c -",
        "-Oz -c -fno-integrated-as a.c",
        "-Oz -c -save-temps a.c",
        "-Oz -c nowhere.c",
        "-Oz -c a.c -fnonsense",
    ],
)
def test_what_clang_says_decides_the_rest(folder, arguments):
    found = ask(*arguments.split(), cwd=folder)
    assert found is None or not (folder / found.source).exists()


@pytest.mark.parametrize(
    "flags", ["", "-g", "-fPIC -ffunction-sections -fdata-sections", "-mcmodel=medium", "-fno-builtin -MD"]
)
def test_the_two_commands_make_clangs_own_object_by_way_of_bitcode(folder, flags, sandbox, major):
    """Unoptimised bitcode, -Oz on it, code generation: the same code as clang's."""
    from passformer.llvm.measure import Subject, measurer
    from passformer.llvm.passlist import OZ

    arguments = ["-Oz", "-c", "a.c", "-o", "a.o", *flags.split()]
    clang = str(find_toolchain().clang)
    subprocess.run([clang, *arguments], cwd=folder, check=True)
    found = ask(*arguments, cwd=folder)
    assert found is not None
    (folder / "a.d").unlink(missing_ok=True)
    subprocess.run(found.to_bitcode(Path("a.bc"), Path("a.dep")), cwd=folder, check=True)
    subject = Subject((folder / "a.bc").read_bytes(), bitcode=True)
    (optimised,) = sandbox.map(measurer, subject, [OZ.pipeline(major)])
    (folder / "oz.bc").write_bytes(optimised.bitcode)
    subprocess.run(found.to_object(Path("oz.bc"), Path("ours.o")), cwd=folder, check=True)
    ours, theirs = (parse_elf((folder / name).read_bytes()) for name in ("ours.o", "a.o"))
    assert (ours.code, ours.read_only) == (theirs.code, theirs.read_only)
    assert not (folder / "a.d").exists(), "the depfile is clang's own affair"


def test_the_last_level_counts():
    assert [level_of(words.split()) for words in ("-Oz -O2", "-O0 -Os", "-O", "", "-Oz -O4")] == [
        "O2",
        "Os",
        "O1",
        "O0",
        "O3",
    ]
