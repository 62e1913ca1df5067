"""Generated programs against the real clang: they compile cleanly and behave the same at every level."""

import re
import subprocess

import pytest

from passformer.llvm.locate import find_toolchain
from passformer.verify.generate import random_program

WARNINGS = ["-Wall", "-Wextra", "-Werror"]
"""All that a mistake of the generator could cause; what random code has by chance is left out below."""
BY_CHANCE = ["unused", "unused-parameter", "unused-but-set-parameter", "self-assign", "tautological-compare"]
SEEDS = range(12)


def runs(code: str, level: str, folder) -> list[tuple[int, str]]:
    """(exit status, stdout) for each of the three inputs."""
    source, program = folder / "program.c", folder / f"program{level}"
    source.write_text(code)
    flags = [*WARNINGS, *(f"-Wno-{name}" for name in BY_CHANCE), "-Wno-parentheses-equality"]
    subprocess.run([find_toolchain().clang, "-std=c11", level, *flags, source, "-o", program], check=True)
    return [
        (run.returncode, run.stdout)
        for run in (subprocess.run([program, i], capture_output=True, text=True, timeout=5) for i in "012")
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_program_behaves_the_same_at_every_level(seed, tmp_path):
    code = random_program(seed)
    unoptimised = runs(code, "-O0", tmp_path)
    assert all(0 <= status < 64 and len(output.splitlines()) >= 4 for status, output in unoptimised)
    assert len(set(unoptimised)) == 3, "each input is a different run"
    assert runs(code, "-O2", tmp_path) == runs(code, "-Oz", tmp_path) == unoptimised


def test_the_seed_alone_decides():
    programs = [random_program(seed) for seed in range(50)]
    assert programs == [random_program(seed) for seed in range(50)]
    assert len(set(programs)) == 50


def test_programs_vary_and_stay_small():
    programs = [random_program(seed) for seed in range(200)]
    assert all(100 < len(code.splitlines()) < 600 and "@" not in code for code in programs)
    wanted = ["goto K", "goto L", "goto end", "switch", "do {", "continue;", "NOINLINE uint8_t f", "ops[1]", "n - 1)"]
    wanted += ["memmove(", "strlen(", "double", "= port;", "struct record f", "while (", "fall through", "smax(", "? "]
    bodies = [code[code.index(" f0(") :] for code in programs]
    for text in wanted:
        assert sum(text in body for body in bodies) >= 5, text


def test_what_would_be_undefined_is_guarded():
    """Every shift by a variable and every index is masked; every divisor is a number or cannot be zero."""
    for seed in range(200):
        body = (code := random_program(seed))[code.index(" f0(") :]
        for index in re.findall(r"\b(?:table|t|q|buf|bytes|z)\[([^\]]+)\]", body):
            assert index.isdigit() or re.search(r"& (7|15)$|^[iz]|^15 - i$|^4 \* i|^bytes\[", index), (seed, index)
