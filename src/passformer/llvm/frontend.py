"""From a file to an unoptimised module: C and C++ through clang, .ll and .bc as they are."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import ModuleFacts, read_module
from passformer.llvm.protocol import Protocol, front_end_flags
from passformer.llvm.sandbox import Failure, Sandbox

C_SUFFIXES = (".c", ".cc", ".cpp", ".cxx", ".C")
IR_SUFFIXES = (".ll", ".bc")
CLANG_SECONDS = 300
"""Wall time; sources that take longer are not waited for."""
_INSTRUMENTING = ("-fsanitize", "-fprofile", "-fcoverage", "--coverage", "-fxray", "-finstrument-functions")


def load(path: Path, sandbox: Sandbox, flags: Sequence[str] = (), protocol: Protocol = Protocol.CLANG) -> ModuleFacts:
    """The module of a C, C++ or IR file, ready for -Oz; `flags` go to clang.

    Raises InputError for a file that is missing, unreadable, of another kind, does not compile, or defines no function.
    """
    if path.suffix not in C_SUFFIXES + IR_SUFFIXES:
        raise InputError(f"{path}: the suffix tells the language: one of {' '.join(C_SUFFIXES + IR_SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    try:
        ir = path.read_bytes() if path.suffix in IR_SUFFIXES else compile_to_bitcode(path, flags, protocol)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    facts = sandbox.call(read_module, (ir, protocol))
    if isinstance(facts, Failure):
        hint = ""
        if "Producer" in facts.message or "expected top-level entity" in facts.message:
            hint = f"; this is LLVM {find_toolchain().major}: make the IR with clang {find_toolchain().major} or older"
        raise InputError(f"{path}: {facts.message}{hint}")
    if not facts.functions:
        raise InputError(f"{path}: no function is defined in it, so there is nothing to optimise")
    return facts


def compile_to_bitcode(
    source: Path | bytes,
    flags: Sequence[str] = (),
    protocol: Protocol = Protocol.CLANG,
    language: str | None = None,
    folder: Path | None = None,
) -> bytes:
    """Unoptimised bitcode of C or C++ (a file, or text) as clang's front-end makes it for the protocol's -Oz.

    `language` (`c`, `c++`) is needed for text and for files whose suffix does not tell; clang runs in `folder`. Flags
    for instrumentation are refused, because clang adds that in the pipeline, which is ours here. Raises InputError
    with clang's own message where clang fails.
    """
    for flag in flags:
        if flag.startswith(_INSTRUMENTING):
            raise InputError(f"{flag} instruments code in clang's own pipeline: it cannot be combined with pass lists")
    command = [str(find_toolchain().clang), *flags, *front_end_flags(protocol), "-emit-llvm", "-o", "-", "-c"]
    command += ["-x", language] if language else []
    text = source if isinstance(source, bytes) else b""
    command.append("-" if isinstance(source, bytes) else str(source))
    try:
        done = subprocess.run(command, capture_output=True, input=text, cwd=folder, timeout=CLANG_SECONDS)
    except subprocess.TimeoutExpired:
        raise InputError(f"{source if isinstance(source, Path) else 'clang'}: takes over {CLANG_SECONDS} s") from None
    if done.returncode:
        raise InputError(done.stderr.decode(errors="replace").strip() or f"{source!r}: clang failed without a word")
    return done.stdout


def first_error(message: str) -> str:
    """The first error of a compiler's output without its place, so that equal reasons count as one."""
    line = next((line for line in message.splitlines() if "error:" in line), message.splitlines()[0] if message else "")
    return line.rpartition("error: ")[2][:120]
