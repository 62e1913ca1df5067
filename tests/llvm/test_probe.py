"""Every catalog pass is tried on the library, and none of that ends the caller."""

import dataclasses

from passformer.llvm.catalog import Pass, catalog, searched_passes
from passformer.llvm.probe import probe, probed_catalog
from passformer.llvm.sandbox import Sandbox


def test_every_pass_is_parseable_and_every_searched_one_works(any_llvm):
    with Sandbox() as sandbox:
        faults = probe(sandbox)
    assert list(faults) == list(catalog())
    assert [p.name for p in searched_passes(any_llvm.major) if faults[p.name]] == []
    available = [p for p in catalog().values() if p.available(any_llvm.major)]
    assert [p.name for p in available if (faults[p.name] or "").startswith("refused")] == []
    assert all("only" in faults[p.name] for p in catalog().values() if p not in available)
    assert faults["function-import"].startswith("crash"), "a fault says how"


def test_rows_carry_the_catalog_and_what_was_found():
    rows = {row["name"]: row for row in probed_catalog()}
    assert list(rows) == list(catalog())
    fields = {field.name for field in dataclasses.fields(Pass)}
    assert all(set(row) == fields | {"available", "fault"} for row in rows.values())
    assert all(row["available"] == (row["fault"] is None) for row in rows.values())
    assert rows["sroa"]["available"] and not rows["function-import"]["available"]
