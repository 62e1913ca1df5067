"""One function, one module: whole, valid, and the same each time."""

import re

import pytest

from passformer.corpus.extract import Extracted, extractor
from passformer.llvm.frontend import load
from passformer.llvm.measure import Subject, measurer, render
from passformer.llvm.passlist import OZ
from passformer.llvm.sandbox import Failure, SetupError
from reference import ASSETS, PROGRAMS, count_instructions

SOURCES = [*sorted(ASSETS.glob("*.c*")), PROGRAMS / "json.c", PROGRAMS / "hashmap.c", ASSETS / "unmarked.ll"]


def extract(sandbox, ir: bytes, *names: str) -> list[Extracted]:
    extracted = list(sandbox.map(extractor, ir, names))
    assert not [e for e in extracted if isinstance(e, Failure)]
    return extracted


def text(sandbox, extracted: Extracted) -> str:
    return sandbox.call(render, (extracted.bitcode, "text")).decode()


@pytest.fixture
def dispatch(sandbox):
    """Function of dispatch.c -> text of its own module."""
    ir = load(ASSETS / "dispatch.c", sandbox).bitcode
    return lambda name: text(sandbox, extract(sandbox, ir, name)[0])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_function_comes_out_whole_and_alone(sandbox, path, major):
    facts = load(path, sandbox, ["-w"])
    names = [f.name for f in facts.functions]
    first, again = extract(sandbox, facts.bitcode, *names), extract(sandbox, facts.bitcode, *names)
    assert first == again and len({e.bitcode for e in first}) == len(names)
    for function, extracted in zip(facts.functions, first, strict=True):
        written = text(sandbox, extracted)
        assert count_instructions(written) == {function.name: function.num_instructions}
        assert (extracted.name, extracted.instructions) == (function.name, function.num_instructions)
        assert not re.search(r"^define (internal|private|linkonce|weak|available)", written, re.MULTILINE)
        twice = list(sandbox.map(measurer, Subject(extracted.bitcode), [OZ.pipeline(major)] * 2))
        assert twice[0] == twice[1] and twice[0].instructions > 0


def test_constants_keep_their_values_and_variables_do_not(dispatch):
    run, name_of, weigh, last = map(dispatch, ("run", "name_of", "weigh", "last"))
    assert r'c"unknown\00"' in name_of and r'c"halt\00"' in name_of
    assert "private unnamed_addr constant" in name_of
    assert "@weights = internal constant" in weigh
    assert re.search(r"@visible_limits = available_externally .*constant \[4 x i32\] \[i32 10, i32 100", weigh)
    assert re.search(r"@last_result = external .*global i32", last) and "i32 -1" not in last
    assert re.search(r"@num_steps = external .*global i32", run)
    assert "blockaddress(@run" in run


def test_what_is_called_is_declared_and_nothing_else(dispatch):
    assert re.findall(r"^declare .*@([\w.]+)\(", dispatch("boot"), re.MULTILINE).count("weigh") == 1
    assert "declare" not in dispatch("last") and "@weights" not in dispatch("last")


def test_a_call_of_an_alias_is_a_call_of_the_function(dispatch):
    twice = dispatch("start_twice")
    assert " alias " not in twice and "@start(" not in twice and twice.count("call i32 @run(") == 2


def test_constructors_that_are_aliases(sandbox):
    facts = load(ASSETS / "shapes.cpp", sandbox)
    assert " alias " in sandbox.call(render, (facts.bitcode, "text")).decode()
    (frame,) = extract(sandbox, facts.bitcode, "_ZN5FrameC2Eiii")
    written = text(sandbox, frame)
    assert " alias " not in written and re.search(r"^declare .*@_ZN5ShapeC2Eii\(", written, re.MULTILINE)


def test_a_function_that_is_not_there_costs_itself_only(sandbox):
    ir = load(ASSETS / "loops.c", sandbox).bitcode
    good, unknown, declared = sandbox.map(extractor, ir, ["find", "nothing", "llvm.memcpy"])
    assert isinstance(good, Extracted)
    assert (unknown.kind, declared.kind) == ("refused", "refused") and "nothing" in unknown.message


def test_ifuncs_are_refused(sandbox):
    ir = b"@f = ifunc i32 (), ptr @pick\ndefine ptr @pick() {\n ret ptr null\n}\n"
    with pytest.raises(SetupError, match="ifunc"):
        list(sandbox.map(extractor, ir, ["pick"]))
