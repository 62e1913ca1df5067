"""However the wrapper is called, it is the same, and it starts without the command line's imports."""

import subprocess
import sys

import pytest

from passformer.llvm.locate import find_toolchain


@pytest.mark.parametrize("called", ["cc", "c++", "link"])
def test_it_answers_as_clang(called, tmp_path):
    clang = [str(find_toolchain().clang), "--version"]
    if called == "link":
        script = tmp_path / "clang"
        script.write_text("from passformer.__main__ import main\nmain()\n")
        command = [sys.executable, str(script), "--version"]
    else:
        command = [sys.executable, "-m", "passformer", called, "--version"]
    ours, theirs = (subprocess.run(c, capture_output=True, text=True) for c in (command, clang))
    assert (ours.returncode, ours.stdout) == (0, theirs.stdout)


def test_it_starts_light():
    heavy = ("typer", "rich", "numpy", "pyarrow", "subprocess", "tokenizers", "typing", "dataclasses", "socket")
    modules = "passformer.__main__, passformer.build.wrapper, passformer.build.client"
    script = f"import sys; import {modules}; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"


def test_without_a_compiler_it_says_so(tmp_path):
    command = [sys.executable, "-m", "passformer", "cc", "-c", "a.c"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PASSFORMER_LLVM": str(tmp_path)})
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
