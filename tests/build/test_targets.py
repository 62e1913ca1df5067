"""Other processors, where an LLVM that knows them is installed: Debian's llvm-22 and clang-22."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reference import ASSETS, parse_elf

PREFIX = Path("/usr/lib/llvm-22")
SOURCES = [ASSETS / "dispatch.c", ASSETS / "loops.c"]  # without headers, so that no C library is needed

pytestmark = pytest.mark.skipif(not (PREFIX / "bin" / "clang").exists(), reason="needs Debian's clang-22")


def text_bytes(path: Path) -> int:
    elf = parse_elf(path.read_bytes())
    return elf.code + elf.read_only


@pytest.mark.parametrize("target", ["aarch64-linux-gnu", "riscv64-linux-gnu"])
def test_objects_of_other_processors_get_smaller(cc, tmp_path, target):
    sizes = []
    for source in SOURCES:
        options = [f"--target={target}", "-ffreestanding", "-Oz", "-c", str(source), "-o"]
        subprocess.run([PREFIX / "bin" / "clang", *options, "plain.o"], cwd=tmp_path, check=True)
        done = cc(*options, "ours.o", PASSFORMER_LLVM=str(PREFIX), PASSFORMER_BUDGET="12")
        assert done.returncode == 0, done.stderr
        sizes.append((text_bytes(tmp_path / "ours.o"), text_bytes(tmp_path / "plain.o")))
    assert all(ours <= plain for ours, plain in sizes) and any(ours < plain for ours, plain in sizes), sizes


@pytest.mark.parametrize("target", ["aarch64-linux-gnu", "riscv64-linux-gnu"])
def test_their_ir_gets_smaller(environment, target):
    command = [sys.executable, "-m", "passformer", "optimize", "--json", "--budget", "4", *map(str, SOURCES)]
    command.append(f"--cflags=--target={target} -ffreestanding")
    done = subprocess.run(command, env={**environment, "PASSFORMER_LLVM": str(PREFIX)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    whole = json.loads(done.stdout)
    assert whole["result"]["instructions"] < whole["baseline"]["instructions"]
