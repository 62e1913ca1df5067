"""Generated code that compiles is run in the place of the function that it should be."""

import pytest

from passformer.corpus.extract import extractor
from passformer.corpus.normalize import normal_forms
from passformer.dataset.prompt import Answer
from passformer.evaluate.behaviour import DIFFERENT, EQUIVALENT, UNTESTED, behaviours
from passformer.llvm.frontend import compile_to_bitcode
from passformer.llvm.passlist import OZ
from passformer.llvm.protocol import Protocol
from passformer.methods.generation import Judged, Truth, judge
from passformer.verify.sources.jotai import function_of

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
void usage() { printf("Usage:\n\
       0            one\n\
       1            two\n\
"); }
static int calls;
static int twice(int x) { calls++; return 2 * x; }
static int sum(int n) { int s = 0; for (int i = 0; i < n; i++) s += twice(i); return s; }
int main(int argc, char **argv) {
    int option = atoi(argv[1]);
    printf("%s %d %d\n", option ? "two" : "one", sum(3 + option), calls);
    return 0;
}
"""
SAME = """declare i32 @twice(i32)
define i32 @sum(i32 %n) {
entry:
%empty = icmp sle i32 %n, 0
br i1 %empty, label %done, label %loop
loop:
%i = phi i32 [ 0, %entry ], [ %next, %loop ]
%s = phi i32 [ 0, %entry ], [ %more, %loop ]
%one = call i32 @twice(i32 %i)
%more = add i32 %s, %one
%next = add i32 %i, 1
%last = icmp eq i32 %next, %n
br i1 %last, label %done, label %loop
done:
%all = phi i32 [ 0, %entry ], [ %more, %loop ]
ret i32 %all
}
"""
BODIES = {
    EQUIVALENT: SAME,
    DIFFERENT: SAME.replace("add i32 %i, 1", "add i32 %i, 2").replace("icmp eq", "icmp sge"),
    "unlinked": SAME.replace("@twice", "@thrice"),
    "crash": SAME.replace("%one = call", "store i32 0, ptr null\n%one = call"),
}


@pytest.fixture(scope="module")
def function(pool, major):
    bitcode = compile_to_bitcode(PROGRAM.encode(), ["-w"], Protocol.CLANG, "c")
    (found,) = pool.call(lambda sandbox: list(sandbox.map(extractor, bitcode, ["sum"])))
    (form,) = pool.call(lambda sandbox: list(sandbox.map(normal_forms, found.bitcode, [OZ.pipeline(major)])))
    return found, Truth(found.instructions, form[1], form[0])


@pytest.fixture
def drivers(tmp_path):
    folder = tmp_path / "jotai" / "benchmarks"
    folder.mkdir(parents=True)
    (folder / "extr_some.project.c_sum_Final.c").write_text(PROGRAM)
    (folder / "extr_other.h_sum_Final.c").write_text(PROGRAM.replace("s += ", "s -= "))  # of that name, not the same
    (folder / "extr_other.h_unrelated_Final.c").write_text("this is no C")
    return tmp_path / "jotai"


def judged(function, pool, body: str) -> Judged:
    return pool.call(lambda sandbox: judge(str(Answer(OZ, 1, 1, body)), function[1], sandbox))


def test_what_compiles_is_run(function, drivers, tmp_path, pool):
    answers = {kind: judged(function, pool, body) for kind, body in BODIES.items()}
    for kind, answer in answers.items():
        verdicts = behaviours({function[0].id: answer}, drivers, tmp_path / "programs", pool)
        assert verdicts == {function[0].id: EQUIVALENT if kind == EQUIVALENT else DIFFERENT}, kind
    assert behaviours({"other": answers[EQUIVALENT]}, drivers, tmp_path / "programs", pool) == {"other": UNTESTED}
    assert behaviours({"any": answers[EQUIVALENT]}, None, tmp_path / "programs", pool) == {"any": UNTESTED}


def test_only_code_that_compiles_and_differs_is_asked_about(function, drivers, tmp_path, pool):
    answers = {"exact": judged(function, pool, function[1].ir), "broken": judged(function, pool, "define nothing")}
    assert answers["exact"].exact and not answers["broken"].compiles
    assert behaviours(answers, drivers, tmp_path / "programs", pool) == {}


def test_the_function_stands_in_the_name_of_the_file():
    assert function_of("extr_linuxdrivers..i915_drv.h_intel_vgpu_active_Final.c") == "intel_vgpu_active"
    assert function_of("extr_x.c_main_Final_Final.c") == "main_Final"
