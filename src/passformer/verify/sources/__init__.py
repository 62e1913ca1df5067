"""Where runnable programs come from: a function a kind of SPEC, from the SPEC's value to candidates."""

from collections.abc import Callable, Sequence
from importlib import import_module

from passformer.llvm.errors import InputError
from passformer.verify.program import Candidate

KINDS = {
    "shipped": "shipped",
    "random": "random_programs",
    "csmith": "csmith",
    "jotai": "jotai",
    "humaneval": "humaneval",
    "transcoder": "transcoder",
}
"""Kind of SPEC -> module of this package with `candidates(value)`."""

DEFAULT = ("shipped:all", "random:150")
"""Needs nothing but what comes along."""


def read_spec(spec: str) -> Sequence[Candidate]:
    """The candidates of a SPEC `kind:value`; raises InputError for an unknown kind or a place that does not fit."""
    kind, _, value = spec.partition(":")
    if kind not in KINDS or not value:
        raise InputError(f"{spec!r} names no programs: write KIND:VALUE, KIND one of {', '.join(KINDS)}")
    source: Callable[[str], Sequence[Candidate]] = import_module(f"passformer.verify.sources.{KINDS[kind]}").candidates
    return source(value)
