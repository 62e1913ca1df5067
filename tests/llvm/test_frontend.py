"""From a file to a module that is ready for -Oz, or to one error that says what is wrong."""

import pytest

from passformer.llvm.errors import InputError
from passformer.llvm.frontend import compile_to_bitcode, load
from passformer.llvm.measure import render
from passformer.llvm.protocol import Protocol
from reference import ASSETS, PROGRAMS, count_instructions


def text(sandbox, bitcode: bytes) -> str:
    return sandbox.call(render, (bitcode, "text")).decode()


@pytest.mark.parametrize("path", [PROGRAMS / "lz.c", ASSETS / "shapes.cpp", ASSETS / "unmarked.ll"], ids=str)
def test_every_kind_of_file_arrives_marked_for_size(sandbox, path):
    facts = load(path, sandbox)
    written = text(sandbox, facts.bitcode)
    assert {f.name: f.num_instructions for f in facts.functions} == count_instructions(written)
    assert "minsize" in written and "optnone" not in written
    assert facts.marked == (path.suffix == ".ll")


def test_bitcode_is_read_as_it_is(sandbox, tmp_path):
    bitcode = compile_to_bitcode(PROGRAMS / "lz.c")
    (tmp_path / "lz.bc").write_bytes(bitcode)
    assert load(tmp_path / "lz.bc", sandbox).bitcode == bitcode


def test_flags_reach_clang(sandbox, tmp_path):
    (tmp_path / "a.c").write_text("#ifdef TWO\nint two(void) { return 2; }\n#endif\nint one(void) { return 1; }\n")
    names = [f.name for f in load(tmp_path / "a.c", sandbox, ["-DTWO"]).functions]
    assert names == ["two", "one"] and len(load(tmp_path / "a.c", sandbox).functions) == 1


def test_protocols_start_from_different_ir(sandbox):
    of_clang = text(sandbox, compile_to_bitcode(PROGRAMS / "lz.c"))
    of_paper = text(sandbox, compile_to_bitcode(PROGRAMS / "lz.c", protocol=Protocol.PAPER))
    assert "minsize" in of_clang and "minsize" not in of_paper and "optnone" not in of_paper
    assert text(sandbox, load(PROGRAMS / "lz.c", sandbox, protocol=Protocol.PAPER).bitcode) == of_paper


@pytest.mark.parametrize(
    "flag", ["-fsanitize=address", "-fprofile-generate", "--coverage", "-fxray-instrument", "-finstrument-functions"]
)
def test_instrumentation_is_refused(flag):
    with pytest.raises(InputError, match=flag):
        compile_to_bitcode(PROGRAMS / "lz.c", ["-g", flag])


def test_the_message_of_clang_is_passed_on(sandbox, tmp_path):
    (tmp_path / "a.c").write_text("int f(void) { return nothing; }\n")
    with pytest.raises(InputError, match=r"a\.c:1:22: error: use of undeclared identifier 'nothing'"):
        load(tmp_path / "a.c", sandbox)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.c", None, "no such file"),
        ("a.rs", "fn main() {}", "the suffix tells the language"),
        ("a.c", "", "no function is defined"),
        ("a.c", "int x = 3; int f(void);", "no function is defined"),
        ("a.ll", "", "no function is defined"),
        ("a.ll", "declare i32 @f()", "no function is defined"),
        ("a.ll", "define i32 @f() { ret i64 1 }", "value doesn't match function result"),
        ("a.ll", "define i32 @f() { %a = add i32 %a, 1\n ret i32 %a }", "Only PHI nodes may reference their own value"),
        ("a.ll", "int main() {}", "expected top-level entity.*make the IR with clang"),
        ("a.bc", "BC\xc0\xde rubbish", "error"),
        ("a.ll", 'target triple = "pdp11-dec-none"\ndefine void @f() { ret void }', "no code generator for 'pdp11"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_line(sandbox, tmp_path, name, content, complaint):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=complaint) as caught:
        load(path, sandbox)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
