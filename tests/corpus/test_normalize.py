"""One text for functions that differ only in what the normal form leaves out."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passformer.corpus.extract import extractor
from passformer.corpus.normalize import function_id, normalize
from passformer.llvm.frontend import load
from passformer.llvm.measure import Subject, measurer, read_module, render
from passformer.llvm.passlist import OZ
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Failure
from reference import ASSETS, PROGRAMS, count_instructions

TARGET = 'target triple = "x86_64-unknown-linux-gnu"\n'
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# What looks like something to remove, inside a string.
literals = st.lists(st.sampled_from(["; no comment", "!tbaa !5", "#0", " noundef ", "  ", "@f", "{", ","]), max_size=4)


@st.composite
def functions(draw, name: str = "f", decorated: bool = False) -> tuple[str, str]:
    """The same function twice: plain, and with all that the normal form is to drop."""
    text = "".join(draw(literals)) + r"\00"
    size = len(text) - 2
    lines = []
    for number in range(draw(st.integers(1, 12))):
        operation = draw(st.sampled_from(["add", "sub", "mul", "and", "or", "xor"]))
        operands = [draw(st.sampled_from(["%a", "%b", "%p0", "7", *(f"%v{i}" for i in range(number))])) for _ in "ab"]
        lines.append(f"%v{number} = {operation} i32 {', '.join(operands).replace('%p0', '%b')}")
    lines += ["%c = call i32 @g(ptr @s, i32 %a)", f"%r = add i32 %c, %v{len(lines) - 1}", "ret i32 %r"]
    constant = f'@s = private constant [{size} x i8] c"{text}"'
    plain = [constant, "declare i32 @g(ptr, i32)", "define i32 @f(i32 %a, i32 %b) {", *lines, "}"]
    rich = [
        "; ModuleID = 'elsewhere'",
        'source_filename = "elsewhere.c"',
        f'@s = private unnamed_addr constant [{size} x i8] c"{text}" ; a name',
        "declare i32 @g(ptr noundef, i32 noundef) local_unnamed_addr #1",
        f"define dso_local noundef i32 @f(i32 noundef %a, i32 noundef %b) local_unnamed_addr #0{draw(spaces)}{{",
        *(draw(spaces) + draw(decorations(line)) for line in lines),
        "}",
        "attributes #0 = { nounwind }",
        'attributes #1 = { "frame-pointer"="all" }',
        "!0 = !{!1}",
        '!1 = !{!"something"}',
        "!llvm.ident = !{!1}",
    ]
    return "\n".join(plain) + "\n", "\n".join(rich) + "\n"


spaces = st.sampled_from([" ", "  ", "\t", " \t "])


@st.composite
def decorations(draw, line: str) -> str:
    line = line.replace(" = ", f"{draw(spaces)}={draw(spaces)}").replace("i32 @g(ptr @s", "i32 @g(ptr noundef @s")
    line += draw(st.sampled_from(["", ", !note !0", ", !my.note !1, !note !0"]))
    return line + draw(st.sampled_from(["", " ; because", "  ", "\n\n; a line between"]))


def named(text: str, old: str, new: str) -> str:
    return re.sub(f"@{old}\\b(?=\\()", f"@{new}", text)


@given(functions())
@QUICK
def test_what_is_left_out_makes_no_difference(pair):
    plain, rich = map(normalize, pair)
    assert plain == rich
    assert normalize(plain) == plain
    assert not re.search(r"noundef|dso_local|^attributes|!note", re.sub('c".*"', "", plain), re.MULTILINE)


@given(functions())
@QUICK
def test_the_normal_form_is_the_same_function_for_llvm(sandbox, major, pair):
    counts = set()
    for ir in (*pair, normalize(pair[1])):
        facts = sandbox.call(read_module, (TARGET.encode() + ir.encode(), Protocol.CLANG))
        assert not isinstance(facts, Failure), facts
        (measured,) = sandbox.map(measurer, Subject(facts.bitcode), [OZ.pipeline(major)])
        counts.add((facts.functions[0].num_instructions, measured.instructions))
    assert len(counts) == 1


@given(functions())
@QUICK
def test_strings_stay_as_they_are(pair):
    (constant,) = re.findall('c".*"', pair[0])
    assert constant in normalize(pair[1])


@given(functions(), st.from_regex(r"[a-z][a-z0-9_.]{0,8}", fullmatch=True).filter(lambda name: name not in "fgs"))
@QUICK
def test_the_own_name_makes_no_difference_and_others_do(pair, name):
    id_ = function_id(normalize(pair[0]), "f")
    assert function_id(normalize(named(pair[1], "f", name)), name) == id_
    assert function_id(normalize(named(pair[0], "g", name)), "f") != id_
    assert re.fullmatch("[0-9a-f]{32}", id_)


def test_a_name_that_only_begins_like_the_own_one_is_another():
    def with_callee(callee: str) -> str:
        text = f"declare void @{callee}()\ndefine void @f() {{\ncall void @{callee}()\nret void\n}}\n"
        return function_id(normalize(text), "f")

    assert len({with_callee(callee) for callee in ("f.1", "f2", "f_", "f$", '"f g"')}) == 5


@pytest.mark.parametrize(("name", "written"), [("a b", '"a b"'), ("\1open", r'"\01open"'), ("é", r'"\C3\A9"')])
def test_names_that_llvm_quotes(name, written):
    text = "define void @{}() {{\nret void\n}}\n"
    assert function_id(normalize(text.format(written)), name) == function_id(normalize(text.format("plain")), "plain")


@pytest.mark.parametrize(
    "line",
    ["%noundef = add i32 %unnamed_addr, 1", "call void @dso_local()", "%t = load %noundef.t, ptr %1"],
)
def test_names_that_are_also_words_stay(line):
    assert normalize(line) == line + "\n"


@pytest.mark.parametrize("path", [*sorted(ASSETS.glob("*.c*")), PROGRAMS / "json.c"], ids=lambda path: path.name)
def test_real_functions_parse_and_have_as_many_instructions(sandbox, path):
    facts = load(path, sandbox, ["-w"])
    for extracted in list(sandbox.map(extractor, facts.bitcode, [f.name for f in facts.functions])):
        normal = normalize(sandbox.call(render, (extracted.bitcode, "text")).decode())
        assert normalize(normal) == normal and function_id(normal, extracted.name) == extracted.id
        parsed = sandbox.call(read_module, (normal.encode(), Protocol.CLANG))
        assert [f.num_instructions for f in parsed.functions] == [extracted.instructions]
        assert count_instructions(normal) == {extracted.name: extracted.instructions}
