"""Modules: counted, marked, run, emitted. LLVM is loaded here, in the test process: nothing here should end it."""

import re

import pytest

from passformer.llvm.frontend import compile_to_bitcode
from passformer.llvm.measure import Subject, measurer
from passformer.llvm.module import LLVMError, Module
from passformer.llvm.passlist import OZ
from passformer.llvm.sandbox import Sandbox
from reference import ASSETS, PROGRAMS, count_instructions, parse_elf

SOURCES = [*sorted(ASSETS.glob("*.c*")), PROGRAMS / "json.c", PROGRAMS / "glob.c"]
R_X86_64_64, R_X86_64_32, R_X86_64_32S = 1, 10, 11  # absolute addresses
MARKED = (ASSETS / "marked.ll").read_bytes()
UNMARKED = (ASSETS / "unmarked.ll").read_bytes()

MODULE = "__import__('passformer.llvm.module', fromlist=['']).Module"
UNCLONED = f"[m := {MODULE}.parse({{ir!r}}), m.run({{pipeline!r}}), m.num_instructions][-1]"


@pytest.fixture(params=SOURCES, ids=lambda path: path.name)
def module(request):
    with Module.parse(compile_to_bitcode(request.param, ["-w"])) as module:
        yield module


def without_comments(ir: str) -> str:
    return re.sub(r" *;.*", "", ir)  # they list the predecessors of a block, in any order


def test_counts_are_those_of_the_text(module, major):
    for pipeline in ("", OZ.pipeline(major)):
        module.run(pipeline)
        expected = count_instructions(module.text())
        assert {f.name: f.num_instructions for f in module.functions()} == expected
        assert module.num_instructions == sum(expected.values()) > 0


def test_text_bitcode_and_clone_are_the_same_module(module):
    with Module.parse(module.text().encode()) as again, Module.parse(module.bitcode()) as too, module.clone() as copy:
        assert again.functions() == too.functions() == copy.functions() == module.functions()
        assert without_comments(copy.text()) == without_comments(module.text())


def test_emitting_and_running_a_clone_leave_the_module_as_it_is(module, major):
    before = module.text()
    first = module.emit()
    assert b".text" in module.emit("assembly")
    with module.clone() as copy:
        copy.run(OZ.pipeline(major))
        assert copy.num_instructions < module.num_instructions
    assert module.text() == before
    assert module.emit() == first


@pytest.mark.parametrize(
    ("ir", "message"),
    [
        (b"define i32 @f() { ret i64 1 }", "value doesn't match function result type"),
        (b"garbage", "expected top-level entity"),
        (b"BC\xc0\xdegarbage", "module: error"),
    ],
)
def test_what_cannot_be_parsed_is_one_line(ir, message):
    with pytest.raises(LLVMError, match=message) as caught:
        Module.parse(ir)
    assert "\n" not in str(caught.value)


def test_an_invalid_module_is_found_by_verify():
    itself = b"define i32 @f() {\n %a = add i32 %a, 1\n ret i32 %a\n}"
    with Module.parse(itself) as module, pytest.raises(LLVMError, match="invalid module: "):
        module.verify()
    with Module.parse(UNMARKED) as module:
        module.verify()


def test_a_refused_pipeline_says_why():
    with Module.parse(UNMARKED) as module, pytest.raises(LLVMError, match="unknown pass name 'nonsense'"):
        module.run("nonsense")


def test_ir_of_clang_o0_is_marked_for_size():
    with Module.parse(UNMARKED) as module:
        assert module.mark_minsize() is True
        text = module.text()
        assert "optnone" not in text and "noinline" not in text
        assert "minsize" in text and "optsize" in text
        assert module.mark_minsize() is False


def test_noinline_of_the_author_stays():
    with Module.parse(b"define void @f() noinline {\n ret void\n}") as module:
        module.mark_minsize()
        assert "noinline" in module.text()


def test_ir_that_is_marked_is_left_alone():
    with Module.parse(MARKED) as module:
        before = module.text()
        assert module.mark_minsize() is False
        assert module.text() == before
    with Module.parse(b"declare void @f()") as empty:
        assert empty.mark_minsize() is False


def test_a_clone_of_a_function_with_computed_goto_is_whole(any_llvm):
    """CloneModule of LLVM 19 and 20 leaves the label addresses in constants with the blocks of the original."""
    ir = compile_to_bitcode(ASSETS / "dispatch.c")
    pipeline = OZ.pipeline(any_llvm.major)
    with Sandbox() as sandbox:
        cloned = next(sandbox.map(measurer, Subject(ir), [pipeline]))
        alone = sandbox.call(eval, UNCLONED.format(ir=ir, pipeline=pipeline))
    assert cloned.instructions == alone


def test_an_unknown_triple_is_a_plain_error():
    with Module.parse(b'target triple = "pdp11-dec-none"\ndefine void @f() {\n ret void\n}') as module:
        for use in (module.require_target, lambda: module.run("globaldce"), module.emit):
            with pytest.raises(LLVMError, match="no code generator for 'pdp11-dec-none'"):
                use()


def test_a_module_without_triple_is_for_this_machine():
    with Module.parse(b"define void @f() {\n ret void\n}") as module:
        assert "-" in module.triple
        module.require_target()


def emitted(flag: str) -> set[int]:
    """Types of the relocations in an object whose code takes an address and indexes a table."""
    ir = f"""target triple = "x86_64-unknown-linux-gnu"
        @table = internal global [4 x i32] zeroinitializer
        define ptr @address() {{
          ret ptr @table
        }}
        define i32 @element(i64 %i) {{
          %at = getelementptr [4 x i32], ptr @table, i64 0, i64 %i
          %x = load i32, ptr %at
          ret i32 %x
        }}
        {flag}"""
    with Module.parse(ir.encode()) as module:
        return parse_elf(module.emit()).relocation_types


def module_flag(name: str, value: int) -> str:
    return f'!llvm.module.flags = !{{!0}}\n!0 = !{{i32 8, !"{name}", i32 {value}}}'


def test_the_pic_flag_reaches_the_object():
    absolute = {R_X86_64_32, R_X86_64_32S}
    assert absolute & emitted("") and absolute & emitted(module_flag("PIC Level", 0))
    assert not absolute & emitted(module_flag("PIC Level", 1))
    assert not absolute & emitted(module_flag("PIC Level", 2))


def test_the_code_model_reaches_the_object():
    small, large = 1, 4  # CodeModel::Small, CodeModel::Large
    assert R_X86_64_64 not in emitted(module_flag("Code Model", small)) == emitted("")
    assert R_X86_64_64 in emitted(module_flag("Code Model", large))


def test_closing_twice_is_harmless():
    module = Module.parse(UNMARKED)
    module.close()
    module.close()
