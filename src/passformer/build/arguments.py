"""What a compiler's command line asks for, by clang's own word.

A quick look tells most commands that are none of ours. For the others the driver is asked (`clang -###`) what it would
run: one `-cc1` job that makes an object from one C or C++ file is a `Compilation`, everything else is left alone. From
that job come the two commands that a smaller object needs, with all of the user's flags for the front-end and the
code generator as clang itself spells them.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

from passformer.build.levels import level_of

LANGUAGES = ("c", "c++")
_ELSEWHERE = (
    "-fsanitize",  # instrumentation is added in clang's own pipeline
    "-fprofile",
    "-fcoverage-mapping",
    "-coverage",
    "-fxray",
    "-finstrument",
    "-pg",
    "-mllvm",  # options of LLVM itself, which our workers do not have
    "-fplugin",
    "-fpass-plugin",
    "-load",
    "-flto",  # what is made is no machine code
    "-fembed",
    "-foffload",
    "-fopenmp-is-target",
    "-fopenmp-is-device",
    "-fcuda",
    "-split-dwarf",  # more files than the object are written
    "-opt-record",
    "-ftime-trace",
    "-serialize-diagnostic",
    "-stats-file",
    "-index-store",
    "-gen-cdb-fragment-path",
    "-stack-usage-file",
    "-fmodules",
)
"""How options of a job begin that we cannot keep our word with."""
_DEPENDENCIES = {"-dependency-file": 2, "-MT": 2, "-sys-header-deps": 1, "-MP": 1, "-MG": 1, "-MV": 1}
"""Options for the depfile, which clang has written already, and how many words each takes."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """One C or C++ file to one object."""

    job: tuple[str, ...]
    """The `-cc1` command."""
    source: Path
    output: Path
    language: str
    level: str
    """`Oz`, `Os`, `O2`, ..., or `O0`."""
    depfile: Path | None

    def to_bitcode(self, bitcode: Path, depfile: Path) -> list[str]:
        """The command that makes unoptimised bitcode, and a depfile of all that the front-end read."""
        words = ["-emit-llvm-bc" if word == "-emit-obj" else word for word in self._without_depfile()]
        dependencies = ["-dependency-file", str(depfile), "-sys-header-deps", "-MT", "x"]
        return [*words[:-1], "-disable-llvm-passes", *dependencies, "-o", str(bitcode), words[-1]]

    def to_object(self, bitcode: Path, output: Path) -> list[str]:
        """The command that makes an object from bitcode that is optimised already."""
        words = self._without_depfile()
        at = len(words) - 1 - words[::-1].index("-x")
        words = [*words[:at], *words[at + 2 : -1]]
        return [*words, "-disable-llvm-passes", "-w", "-o", str(output), "-x", "ir", str(bitcode)]

    def _without_depfile(self) -> list[str]:
        words: list[str] = []
        skipped = 0
        for i, word in enumerate(self.job):
            if i < skipped:
                continue
            if word in _DEPENDENCIES:
                skipped = i + _DEPENDENCIES[word]
            else:
                words.append(word)
        return words


def compilation_of(answer: str) -> Compilation | None:
    """From what `clang -###` prints; None where it is not one C or C++ file to one object, or cannot be kept whole."""
    jobs = [line for line in answer.splitlines() if line.startswith(' "')]
    if len(jobs) != 1:
        return None
    words = shlex.split(jobs[0])
    if len(words) < 2 or words[1] != "-cc1" or "-emit-obj" not in words or "-x" not in words or "-o" not in words:
        return None
    if any(word.startswith(_ELSEWHERE) for word in words):
        return None
    language = words[len(words) - words[::-1].index("-x")]
    output = words[words.index("-o") + 1]
    if language not in LANGUAGES or words[-1] == "-" or output == "-":
        return None
    depfile = words[words.index("-dependency-file") + 1] if "-dependency-file" in words else None
    return Compilation(
        tuple(words), Path(words[-1]), Path(output), language, level_of(words), Path(depfile) if depfile else None
    )
