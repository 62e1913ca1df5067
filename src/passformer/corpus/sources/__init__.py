"""Where programs come from: one file a kind of SPEC, each a function from the SPEC's value to compilation units."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from passformer.corpus.unit import Unit
from passformer.llvm.errors import InputError

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


def require_folder(value: str, *inside: str) -> Path:
    """The folder `value`, or its first subfolder of the given names; raises InputError saying what is expected."""
    for name in inside or (".",):
        path = Path(value) / name
        if path.is_dir():
            return path
    named = " or ".join(name for name in inside if name != ".")
    raise InputError(f"{value}: expected a folder{' with ' + named if named else ''} there")


def require_count(value: str, kind: str) -> int:
    """The number in a SPEC such as `csmith:100`."""
    if not value.isdecimal() or int(value) == 0:
        raise InputError(f"{kind}:{value}: write how many programs to generate, as in {kind}:100")
    return int(value)
