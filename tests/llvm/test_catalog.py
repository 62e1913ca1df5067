"""The pass catalog against itself, and against each LLVM at hand."""

import csv
from importlib import resources
from typing import get_args

import pytest

from passformer.llvm.catalog import Kind, catalog, searched_passes
from passformer.llvm.locate import SUPPORTED_MAJORS
from passformer.llvm.measure import Subject, measurer
from passformer.llvm.sandbox import Failure, Sandbox

REASONS = (
    "no effect on size",
    "same as",
    "instrumentation",
    "needs setup",
    "miscompiles",
    "unstable",
    "changes meaning by design",
    "other targets only",
)
ADAPTORS = {
    "meta": "{}",
    "module": "{}",
    "cgscc": "cgscc({})",
    "function": "function({})",
    "loop": "function(loop({}))",
    "loop-mssa": "function(loop-mssa({}))",
}


def test_it_is_large_and_well_formed():
    rows = list(csv.DictReader(resources.files("passformer.llvm").joinpath("passes.csv").read_text().splitlines()))
    assert len({row["name"] for row in rows}) == len(rows) == len(catalog()) >= 100
    assert {row["searched"] for row in rows} == {"true", "false"}
    for p in catalog().values():
        assert p.kind in get_args(Kind)
        assert 19 <= p.since <= p.until <= 23, p.name
        assert p.pipeline.count("<") == p.pipeline.count(">") <= 1, p.name
        assert not set(p.name) & set(" -,()<>;'\"") - {"-"} and not p.name.startswith("-"), p.name


def test_what_is_not_searched_says_why_and_only_that():
    for p in catalog().values():
        if p.searched:
            assert p.why == "", p.name
        else:
            category, colon, detail = p.why.partition(":")
            assert category.startswith(REASONS) and colon and detail.strip(), p.name


def test_all_meta_flags_are_there():
    assert [p.name for p in catalog().values() if p.kind == "meta"] == ["O0", "O1", "O2", "O3", "Os", "Oz"]


@pytest.mark.parametrize("name", ["structurizecfg", "lower-atomic", "lower-invoke", "attributor", "internalize"])
def test_passes_that_change_meaning_are_never_searched(name):
    assert not catalog()[name].searched


def test_instcombine_is_written_so_that_it_does_not_abort():
    written = [p.pipeline for p in catalog().values() if p.pipeline.startswith("instcombine")]
    assert len(written) >= 2
    assert all("no-verify-fixpoint" in text for text in written)


@pytest.mark.parametrize("major", SUPPORTED_MAJORS)
def test_searches_draw_from_many_passes_that_this_version_has(major):
    passes = searched_passes(major)
    assert len(passes) > 90
    assert all(p.searched and p.available(major) for p in passes)
    assert {p.kind for p in passes} == set(get_args(Kind))
    assert ("Os" in {p.name for p in passes}) == (major < 23)


def test_each_version_accepts_exactly_the_passes_that_the_catalog_says(any_llvm):
    ir = b"define i32 @f(i32 %x) { ret i32 %x }"
    passes = [p for p in catalog().values() if p.kind != "meta"]
    with Sandbox() as sandbox:
        results = list(sandbox.map(measurer, Subject(ir), [ADAPTORS[p.kind].format(p.pipeline) for p in passes]))
    refused = {p.name for p, r in zip(passes, results, strict=True) if isinstance(r, Failure) and r.kind == "refused"}
    failed = {p.name for p, r in zip(passes, results, strict=True) if isinstance(r, Failure)}
    missing = {p.name for p in passes if not p.available(any_llvm.major)}
    assert refused <= missing <= failed, "some abort instead of being refused: function-simplification<Oz> in LLVM 23"
