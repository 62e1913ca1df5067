"""Where `passformer` begins: the compiler wrapper, which must start quickly, or the command line.

The wrapper is meant by `passformer cc` and `passformer c++`, and by a link to this program with a compiler's name.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as typing's own: its import takes longer than all the rest of this file
if TYPE_CHECKING:
    from typing import NoReturn

_COMPILERS = {"cc": False, "c++": True, "clang": False, "clang++": True}
"""Name -> whether it compiles C++."""


def main() -> NoReturn:
    """Run what the command line asks for."""
    name = sys.argv[0].rpartition("/")[2]
    if name in _COMPILERS:
        _wrap(sys.argv[1:], _COMPILERS[name])
    if len(sys.argv) > 1 and sys.argv[1] in ("cc", "c++"):
        _wrap(sys.argv[2:], _COMPILERS[sys.argv[1]])
    from passformer.cli import main as command_line

    command_line()


def _wrap(arguments: list[str], cxx: bool) -> NoReturn:
    from passformer.build.wrapper import main as wrapper

    wrapper(arguments, cxx)


if __name__ == "__main__":
    main()
