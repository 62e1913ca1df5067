"""The C++ standard library as one precompiled header: parsing it takes longer than everything else in a small program.

`bits/stdc++.h` is a header of libstdc++ alone, which many programs include all the same; ours stands in for it.
"""

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from passformer.llvm.errors import CompilerError
from passformer.llvm.locate import find_toolchain

STANDARD = "-std=gnu++17"
_STAND_IN = Path("bits", "stdc++.h")
# fmt: off
_HEADERS = (
    "algorithm", "array", "bitset", "cassert", "cctype", "cerrno", "cfloat", "chrono", "climits", "cmath", "complex",
    "cstddef", "cstdint", "cstdio", "cstdlib", "cstring", "ctime", "deque", "fstream", "functional", "iomanip",
    "iostream", "iterator", "limits", "list", "map", "memory", "numeric", "queue", "random", "set", "sstream", "stack",
    "stdexcept", "string", "tuple", "type_traits", "unordered_map", "unordered_set", "utility", "vector",
)
# fmt: on
_ASSUMED = """
extern "C" char *gets(char *);
template <class T> T __gcd(T a, T b) { while (b) { T rest = a % b; a = b; b = rest; } return a; }
"""
"""What old programs take for granted: a function that C++14 removed, and a helper of libstdc++."""


def write_standard_header(folder: Path) -> tuple[str, ...]:
    """Write our `bits/stdc++.h` into `folder`; returns the clang flags that make `#include` find it."""
    header = folder / _STAND_IN
    header.parent.mkdir(parents=True, exist_ok=True)
    if not header.exists():  # writing it again would make what was precompiled out of date
        header.write_text("#pragma once\n" + "".join(f"#include <{name}>\n" for name in _HEADERS) + _ASSUMED)
    return ("-I", str(folder))


def precompile(folder: Path, flags: Sequence[str]) -> tuple[str, ...]:
    """Write the header into `folder` and precompile it for code that is compiled with `flags`.

    Returns the clang flags that use it, `STANDARD` among them.
    """
    found = write_standard_header(folder)
    header = folder / _STAND_IN
    output = folder / f"{hashlib.blake2b(repr(flags).encode(), digest_size=6).hexdigest()}.pch"
    clang = str(find_toolchain().clang)
    command = [clang, "-x", "c++-header", STANDARD, *flags, "-w", str(header)]
    done = subprocess.run([*command, "-o", str(output)], capture_output=True, text=True)
    if done.returncode:
        raise CompilerError(f"the C++ standard headers cannot be precompiled: {done.stderr.strip()[:500]}")
    return (STANDARD, *found, "-include-pch", str(output))
