"""Pass lists: what the paper's model writes, `-gvn-hoist -gvn-sink -Oz`, as frozen values that round-trip to text."""

import difflib
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Self

from passformer.llvm.catalog import Pass, catalog
from passformer.llvm.errors import InputError
from passformer.llvm.protocol import Protocol, oz_pipeline


@dataclass(frozen=True, slots=True)
class PassList:
    """Catalog names in the order in which they run: any may be repeated, except the meta flags -O0 to -Oz."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in catalog():
                raise InputError(f"no pass is called {name!r}{_nearest(name)}; `passformer passes` lists them all")
            if catalog()[name].kind == "meta" and self.names.count(name) > 1:
                raise InputError(f"-{name} stands more than once in the pass list: each of -O0 to -Oz may stand once")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `-a -b -Oz`; raises InputError for an unknown name (with the nearest) and a repeated meta flag."""
        words = text.split()
        for word in words:
            if not word.startswith("-"):
                raise InputError(f"{word!r} in the pass list has no dash: write it as -{word}")
        return cls(tuple(word[1:] for word in words))

    def __str__(self) -> str:
        return " ".join(f"-{name}" for name in self.names)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The catalog rows, in order."""
        return tuple(catalog()[name] for name in self.names)

    @property
    def searched(self) -> bool:
        """Whether all passes are ones that automatic searches, and so our own outputs, may use."""
        return all(p.searched for p in self.passes)

    def pipeline(self, major: int, protocol: Protocol = Protocol.CLANG) -> str:
        """The list in the syntax of `opt -passes=`; neighbours of one level share their adaptor.

        Raises InputError where this LLVM version lacks a pass.
        """
        for p in self.passes:
            if not p.available(major):
                versions = f"{p.since} to {p.until}" if p.since < p.until else f"{p.since}"
                raise InputError(f"-{p.name} is in LLVM {versions} only, and this is LLVM {major}")
        return ",".join(
            _adapted(level, list(group), major, protocol) for level, group in groupby(self.passes, key=_outer_level)
        )


@cache
def pass_pipeline(name: str, major: int, protocol: Protocol = Protocol.CLANG) -> str:
    """The pipeline of one catalog pass by itself."""
    return PassList((name,)).pipeline(major, protocol)


OZ = PassList(("Oz",))
"""The baseline, and the fall-back of everything."""


def _outer_level(p: Pass) -> str:
    return {"meta": "module", "loop": "function", "loop-mssa": "function"}.get(p.kind, p.kind)


def _adapted(level: str, passes: list[Pass], major: int, protocol: Protocol) -> str:
    inner = [
        ",".join(_text(p, major, protocol) for p in group)
        if kind not in ("loop", "loop-mssa")
        else f"{kind}({','.join(p.pipeline for p in group)})"
        for kind, group in ((kind, list(group)) for kind, group in groupby(passes, key=lambda p: p.kind))
    ]
    text = ",".join(inner)
    return text if level == "module" else f"{level}({text})"


def _text(p: Pass, major: int, protocol: Protocol) -> str:
    return oz_pipeline(major, protocol) if p.name == "Oz" else p.pipeline


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, catalog(), n=1, cutoff=0.5)
    return f": did you mean -{close[0]}?" if close else ""
