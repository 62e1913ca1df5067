"""Functions measured alone are as large as in their module."""

import pytest

from passformer.llvm.frontend import compile_to_bitcode
from passformer.llvm.measure import Subject, function_measurer, measurer
from passformer.llvm.passlist import OZ
from reference import ASSETS, PROGRAMS

TIED = b"""
static int twice(int x) { return x * 2; }
int sum(const int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += twice(a[i]) ^ i; return s; }
int sum_too(const int *a, int n) __attribute__((alias("sum")));
inline int shared(int x) { return x / 3; }
int caller(int x) { int s = 0; while (x--) s += sum_too(&x, 1); return s + shared(x); }
"""
PIPELINES = ("function(loop-simplify,lcssa)", "function(loop-simplify,lcssa,gvn)", "function(instsimplify)")


@pytest.mark.parametrize("source", ["json.c", "glob.c", "dispatch.c", "tied.cpp"])
def test_functions_measured_alone_are_as_large_as_in_their_module(source, tmp_path, sandbox, major):
    (tmp_path / "tied.cpp").write_bytes(b'extern "C" {' + TIED + b"}")
    path = next(folder / source for folder in (tmp_path, ASSETS, PROGRAMS) if (folder / source).exists())
    (oz,) = sandbox.map(measurer, Subject(compile_to_bitcode(path), bitcode=True), [OZ.pipeline(major)])
    changed = set()
    for pipeline in PIPELINES:
        (whole,) = sandbox.map(measurer, Subject(oz.bitcode, text_bytes=True), [pipeline])
        (alone,) = sandbox.map(function_measurer, oz.bitcode, [pipeline])
        assert alone == {name: whole.function_bytes[name] for name in alone}
        changed |= alone.keys()
    assert changed


def test_functions_that_stay_as_they_are_are_not_measured(sandbox, major):
    ir = compile_to_bitcode(PROGRAMS / "json.c")
    (oz,) = sandbox.map(measurer, Subject(ir, bitcode=True), [OZ.pipeline(major)])
    (nothing,) = sandbox.map(function_measurer, oz.bitcode, ["function(no-op-function)"])
    assert nothing == {}
