"""Where programs come from: one file a kind of SPEC, each a function from the SPEC's value to compilation units."""

import random
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError

T = TypeVar("T")
KINDS = {
    "ai-soco": "ai_soco",
    "poj-104": "poj_104",
    "jotai": "jotai",
    "transcoder": "transcoder",
    "csmith": "csmith",
    "yarpgen": "yarpgen",
    "dir": "folder",
    "compile-commands": "compile_commands",
    "debian": "debian",
    "exebench": "exebench",
    "compile": "compile",
}
"""Kind of SPEC -> module of this package with `units(value, workdir)`."""

Importer = Callable[[str, Path], Sequence[Unit]]


def read_spec(spec: str, workdir: Path) -> Sequence[Unit]:
    """The units of a SPEC `kind:value`; `workdir` is for what an importer must unpack or generate.

    Raises InputError for an unknown kind and for a place that does not look as that kind should.
    """
    kind, _, value = spec.partition(":")
    if kind not in KINDS or not value:
        raise InputError(f"{spec!r} is no source: write KIND:VALUE, KIND one of {', '.join(KINDS)}, corpus")
    importer: Importer = import_module(f"passformer.corpus.sources.{KINDS[kind]}").units
    units = importer(value, workdir)
    if not units:
        raise InputError(f"{spec}: nothing to compile was found there")
    return units


def check_sample(sample: Mapping[str, int], specs: Sequence[str]) -> None:
    """Raises InputError for a sample of a kind that no SPEC is of, or of nothing."""
    kinds = {spec.partition(":")[0] for spec in specs}
    for kind, limit in sample.items():
        if kind not in kinds or limit < 1:
            raise InputError(f"--sample {kind}={limit}: write one of the kinds that are asked for and how many of it")


def drawn(items: Sequence[T], kind: str, sample: Mapping[str, int], seed: int) -> Sequence[T]:
    """At most `sample[kind]` of the items, at random by the seed; all where that kind is not in it."""
    limit = sample.get(kind, len(items))
    return items if limit >= len(items) else random.Random(f"{seed} {kind}").sample(items, limit)


def require_folder(value: str, *inside: str) -> Path:
    """The folder `value`, or its first subfolder of the given names; raises InputError saying what is expected."""
    for name in inside or (".",):
        path = Path(value) / name
        if path.is_dir():
            return path
    named = " or ".join(name for name in inside if name != ".")
    raise InputError(f"{value}: expected a folder{' with ' + named if named else ''} there")


def require_seeds(value: str, kind: str) -> range:
    """The seeds in a SPEC such as `csmith:100` (1 to 100) or `csmith:101-120`."""
    first, _, last = value.rpartition("-") if "-" in value else ("1", "", value)
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last)):
        raise InputError(
            f"{kind}:{value}: write how many programs to generate, as in {kind}:100, or which, as in {kind}:101-120"
        )
    return range(int(first), int(last) + 1)
