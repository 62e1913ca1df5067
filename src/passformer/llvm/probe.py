"""Try each catalog pass on the loaded library, in a sandbox: what works here, without ever aborting this process."""

import dataclasses
from typing import Any

from passformer.llvm.catalog import catalog
from passformer.llvm.measure import Subject, measurer
from passformer.llvm.passlist import PassList
from passformer.llvm.sandbox import Failure, Sandbox

_TINY_MODULE = b"define i32 @f(i32 %x) minsize optsize { %y = add i32 %x, 1\n ret i32 %y }"


def probe(sandbox: Sandbox) -> dict[str, str | None]:
    """Pass name -> None where the library runs it, else what went wrong (its message, or the kind of crash)."""
    major = int(sandbox.version()["version"].split(".")[0])
    triable = [p for p in catalog().values() if p.available(major)]
    pipelines = [PassList((p.name,)).pipeline(major) for p in triable]
    results = sandbox.map(measurer, Subject(_TINY_MODULE), pipelines)
    faults = {p.name: str(r) if isinstance(r, Failure) else None for p, r in zip(triable, results, strict=True)}
    return {name: faults.get(name, f"LLVM {p.since} to {p.until} only") for name, p in catalog().items()}


def probed_catalog() -> list[dict[str, Any]]:
    """The catalog as plain rows, with `available` and `fault` as this library has it."""
    with Sandbox() as sandbox:
        faults = probe(sandbox)
    return [
        {**dataclasses.asdict(p), "available": faults[p.name] is None, "fault": faults[p.name]}
        for p in catalog().values()
    ]
