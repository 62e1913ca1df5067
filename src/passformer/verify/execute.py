"""Link object files and run the result under limits: in an empty folder, with an empty environment, without network.

What this does not protect against: a program that harms what the user may harm; only programs of known origin are run.
"""

import contextlib
import ctypes
import os
import resource
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from passformer.llvm.errors import CompilerError
from passformer.llvm.locate import find_toolchain
from passformer.verify.program import TIMEOUT, Outcome

MAX_OUTPUT = 1 << 20
"""Bytes of stdout; a program that writes more is ended."""
_OBJECTS, _OUTPUT = "/dev/null", "OUTPUT"  # the driver wants inputs that exist
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_ENVIRONMENT = {
    "LC_ALL": "C",
    "MALLOC_PERTURB_": "165",  # glibc: fresh memory is not zero, so that reading it shows
    "ASAN_OPTIONS": "detect_leaks=0",  # leaks are no undefined behaviour
}


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What one run of a program may use."""

    cpu_seconds: float = 5.0
    memory_mib: int | None = 2048
    """Address space; None for sanitizer builds, which reserve terabytes."""


@cache
def link_flags() -> tuple[str, ...]:
    """For clang's driver: the linker that comes with it, and where its runtime libraries lie when the program runs."""
    clang = str(find_toolchain().clang)
    found = subprocess.run([clang, "-print-file-name=libunwind.so.1"], capture_output=True, text=True).stdout.strip()
    return ("-fuse-ld=lld", *([f"-Wl,-rpath,{Path(found).parent}"] if Path(found).is_absolute() else []))


@cache
def link_command(language: str) -> tuple[str, ...]:
    """The linker's own command line, which clang's driver would run, with places for objects and output.

    Asked of the driver once: starting it costs more than linking. Raises CompilerError where it cannot say.
    """
    driver = ["--driver-mode=g++"] if language == "c++" else []
    command = [str(find_toolchain().clang), *driver, *link_flags(), "-Wl,--threads=1", "-###", _OBJECTS]
    command += ["-o", _OUTPUT, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    line = next((line for line in reversed(done.stderr.splitlines()) if _OBJECTS in line), "")
    if done.returncode or not line:
        raise CompilerError(f"clang does not say how it links: {done.stderr.strip()[-300:]}")
    return tuple(shlex.split(line))


def link(command: Sequence[str], objects: Sequence[Path], output: Path) -> str:
    """Link with a `link_command`; returns what the linker complains of, empty where all is well."""
    filled: list[str] = []
    for word in command:
        filled += [str(o) for o in objects] if word == _OBJECTS else [str(output) if word == _OUTPUT else word]
    done = subprocess.run(filled, capture_output=True)
    return done.stderr.decode(errors="replace").strip() or "the linker failed" if done.returncode else ""


def run_program(executable: Path, arguments: Sequence[str], limits: RunLimits) -> tuple[Outcome, float]:
    """(what it shows, CPU-seconds)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory(prefix="passformer-run-") as folder, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _limited(limits), str(executable), *arguments],
            cwd=folder,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=10 * limits.cpu_seconds + 10)
        except subprocess.TimeoutExpired:
            status = -signal.SIGKILL
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also what it may have started
            process.wait()
        stdout = os.pread(output.fileno(), MAX_OUTPUT, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if status in (-signal.SIGXCPU, -signal.SIGXFSZ, -signal.SIGKILL):
        return Outcome(TIMEOUT, b""), seconds
    return Outcome(status, stdout), seconds


def _limited(limits: RunLimits) -> str:
    """A shell script that limits itself and becomes the program.

    Limits set by this process between fork and exec would forbid the cheap way to start another; set from outside they
    would come too late.
    """
    memory = f"ulimit -v {limits.memory_mib << 10}; " if limits.memory_mib is not None else ""
    seconds = max(1, round(limits.cpu_seconds))
    return f'ulimit -c 0; ulimit -f {MAX_OUTPUT >> 9}; ulimit -t {seconds}; {memory}exec "$0" "$@"'


@cache
def leave_network() -> bool:
    """Move this process, and so all that it starts, to a network namespace of its own that has no devices.

    False where the kernel does not allow that to this user. For worker processes: there is no way back.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))
