"""The baseline: our -Oz is clang's, instruction for instruction; the paper's is opt's `default<Oz>`."""

import subprocess

import pytest

from passformer.llvm.errors import InputError
from passformer.llvm.frontend import load
from passformer.llvm.locate import Toolchain
from passformer.llvm.measure import Subject, measurer, read_module
from passformer.llvm.passlist import OZ
from passformer.llvm.protocol import Protocol, oz_pipeline
from passformer.llvm.sandbox import Sandbox
from reference import ASSETS, PROGRAMS

FILES = [*sorted(PROGRAMS.glob("*.c")), *sorted(ASSETS.glob("*.c")), *sorted(ASSETS.glob("*.cpp"))]


def counts(sandbox: Sandbox, ir: bytes, pipeline: str = "") -> dict[str, int]:
    done = next(sandbox.map(measurer, Subject(ir, bitcode=True), [pipeline]))
    return {f.name: f.num_instructions for f in sandbox.call(read_module, (done.bitcode, Protocol.PAPER)).functions}


def clang(toolchain: Toolchain, *arguments: object) -> bytes:
    command = [toolchain.clang, "-w", "-emit-llvm", "-c", *arguments, "-o", "-"]
    return subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout


def test_oz_is_that_of_clang_on_every_file(any_llvm):
    with Sandbox() as sandbox:
        ours = {p.name: counts(sandbox, load(p, sandbox, ["-w"]).bitcode, OZ.pipeline(any_llvm.major)) for p in FILES}
        theirs = {p.name: counts(sandbox, clang(any_llvm, "-Oz", p)) for p in FILES}
    assert len(FILES) >= 20
    assert ours == theirs


def test_the_papers_oz_is_that_of_opt(any_llvm, tmp_path):
    if any_llvm.major >= 23:
        pytest.skip("LLVM 23 has no default<Oz>")
    file, pipeline = PROGRAMS / "lz.c", oz_pipeline(any_llvm.major, Protocol.PAPER)
    unoptimised = clang(any_llvm, "-O0", "-Xclang", "-disable-O0-optnone", file)
    with Sandbox() as sandbox:
        ours = counts(sandbox, load(file, sandbox, protocol=Protocol.PAPER).bitcode, pipeline)
        assert ours == counts(sandbox, unoptimised, "default<Oz>")
        of_clang = counts(sandbox, load(file, sandbox).bitcode, oz_pipeline(any_llvm.major))
        assert sum(ours.values()) > sum(of_clang.values())
        if opt := any_llvm.tool("opt"):
            (tmp_path / "in.bc").write_bytes(unoptimised)
            subprocess.run([opt, "-passes=default<Oz>", tmp_path / "in.bc", "-o", tmp_path / "out.bc"], check=True)
            assert ours == counts(sandbox, (tmp_path / "out.bc").read_bytes())


def test_no_version_is_asked_for_a_pipeline_that_it_lacks():
    assert oz_pipeline(23) == "default<O2>"
    with pytest.raises(InputError, match="LLVM 23 removed"):
        oz_pipeline(23, Protocol.PAPER)
