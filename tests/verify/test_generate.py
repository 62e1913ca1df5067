"""Generated programs against the real clang: they compile cleanly and behave the same however they are compiled."""

import subprocess

import pytest

from passformer.llvm.locate import find_toolchain
from passformer.verify.generate import random_program

BY_CHANCE = ("unused", "unused-parameter", "unused-but-set-parameter", "self-assign", "tautological-compare")
WARNINGS = ["-Wall", "-Wextra", "-Werror", *(f"-Wno-{name}" for name in BY_CHANCE), "-Wno-parentheses-equality"]
BUILDS = (["-O0"], ["-O2"], ["-Oz"], ["-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined"])


def runs(code: str, options: list[str], folder) -> list[tuple[int, str]]:
    """(exit status, stdout) for each of the three inputs."""
    source, program = folder / "program.c", folder / "program"
    source.write_text(code)
    subprocess.run([find_toolchain().clang, "-std=c11", *WARNINGS, *options, source, "-o", program], check=True)
    finished = [subprocess.run([program, i], capture_output=True, text=True, timeout=5) for i in "012"]
    return [(run.returncode, run.stdout) for run in finished]


@pytest.mark.parametrize("seed", range(10))
def test_a_program_behaves_the_same_in_every_build(seed, tmp_path):
    code = random_program(seed)
    first, *others = (runs(code, options, tmp_path) for options in BUILDS)
    assert all(0 <= status < 64 and len(output.splitlines()) >= 4 for status, output in first)
    assert len(set(first)) == 3, "each input is a different run"
    assert all(other == first for other in others)


def test_the_seed_alone_decides():
    programs = [random_program(seed) for seed in range(50)]
    assert programs == [random_program(seed) for seed in range(50)]
    assert len(set(programs)) == 50


def test_programs_vary_and_stay_small():
    programs = [random_program(seed) for seed in range(200)]
    assert all(100 < len(code.splitlines()) < 600 and "@" not in code for code in programs)
    written = [code[code.index(" f0(") :] for code in programs]
    wanted = ["goto K", "goto L", "goto end", "switch", "do {", "while (", "continue;", "break;", "fall through", "? "]
    wanted += ["NOINLINE uint8_t f", "struct record f", "ops[0]", "n - 1)", "memmove(", "strlen(", "double", "= port;"]
    for text in wanted:
        assert sum(text in code for code in written) >= 5, text
