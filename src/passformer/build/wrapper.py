"""`passformer cc`: what is not ours goes straight to clang, in this process, before anything heavy is imported.

A build starts this once a file, and a `configure` script a hundred times.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from passformer.build.levels import LEVELS, level_of
from passformer.llvm.errors import PassformerError
from passformer.llvm.locate import find_toolchain

TYPE_CHECKING = False  # see __main__
if TYPE_CHECKING:
    from typing import NoReturn

DEFAULT_BUDGET = 2
"""Pass lists a module: what four times clang's CPU time allows."""


def main(arguments: Sequence[str], cxx: bool = False) -> NoReturn:
    """Run a compiler command line: options alone, or a compiler and its options (as a launcher of CMake's)."""
    try:
        compiler, options = compiler_of(arguments, cxx)
    except PassformerError as error:
        print(f"passformer: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if os.environ.get("PASSFORMER_FORCE") == "1" and "-c" in options:
        options.append("-Oz")
    if budget() == 0 or not may_be_ours(options):
        os.execv(compiler[0], [*compiler, *options])
    from passformer.build.client import compile_smaller

    sys.exit(
        compile_smaller(compiler, options, budget(), budget("PASSFORMER_FUNCTION_BUDGET", function_budget(budget())))
    )


def compiler_of(arguments: Sequence[str], cxx: bool) -> tuple[list[str], list[str]]:
    """(the compiler, its options): the command line's own, or our clang. Raises InputError where there is none."""
    if arguments and not arguments[0].startswith(("-", "@")) and "clang" in Path(arguments[0]).name:
        import shutil

        if found := shutil.which(arguments[0]):
            return [found], list(arguments[1:])
    clang = str(find_toolchain().clang)
    return [clang, "--driver-mode=g++"] if cxx else [clang], list(arguments)


def may_be_ours(options: Sequence[str]) -> bool:
    """A quick look: whether this could be a compilation to an object at a level for size."""
    return (
        "-c" in options
        and level_of(options) in LEVELS
        and not any(word.startswith("@") for word in options)
        and not {"-E", "-S", "-M", "-MM", "-fsyntax-only", "-emit-llvm", "-###", "-save-temps", "-"} & {*options}
    )


def function_budget(modules: int) -> int:
    """Pass lists for each function where nothing else is asked for: they save less than those of the module."""
    return modules // 2


def budget(variable: str = "PASSFORMER_BUDGET", default: int = DEFAULT_BUDGET) -> int:
    """Pass lists to try on a file, or on each of its functions, from the environment."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdigit() else default
