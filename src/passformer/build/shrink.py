"""A smaller object for one compilation: try pass lists on its whole module, keep what clang's own back-end confirms.

Lists are tried in process, where emitting an object costs no new process but knows not all of the user's flags. The
best few then go through clang's back-end with all of them, and count only if they are smaller than the object that
clang made.
"""

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from passformer.build.arguments import Compilation
from passformer.llvm.measure import Measurement, Subject, measurer
from passformer.llvm.objects import ObjectSizes, object_sizes
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Failure, Sandbox
from passformer.methods.method import lowered

CONFIRMED = 2
"""Candidates that go through clang's back-end, at most."""
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What came out for one object."""

    plain: ObjectSizes
    """Of the object that clang made."""
    result: ObjectSizes
    """Of the object that is to stand in its place; the same where none is smaller."""
    pass_list: PassList
    """-Oz where none is."""
    object: bytes | None
    """The smaller object."""
    tried: int
    """Pass lists."""
    seconds: float


class NotShrunk(Exception):
    """Why nothing was tried; for the log."""


def shrink(
    compilation: Compilation,
    folder: Path,
    pass_lists: Sequence[PassList],
    llvm: int,
    sandbox: Sandbox,
    environment: Mapping[str, str] | None = None,
) -> Shrunk:
    """Try the lists on the module of a compilation whose plain object lies in `folder / output`; clang runs there.

    Raises NotShrunk where clang's front-end or LLVM fails.
    """
    started = time.perf_counter()
    plain_data = (folder / compilation.output).read_bytes()
    with tempfile.TemporaryDirectory(prefix="passformer-") as name:
        scratch = Path(name)
        _run(compilation.to_bitcode(scratch / "in.bc"), folder, environment)
        found = _candidates((scratch / "in.bc").read_bytes(), pass_lists, llvm, sandbox)
        plain = _sizes(plain_data, sandbox)
        best = Shrunk(plain, plain, OZ, None, len(pass_lists), 0.0)
        for number, (pass_list, bitcode) in enumerate(found[:CONFIRMED]):
            (scratch / f"{number}.bc").write_bytes(bitcode)
            _run(compilation.to_object(scratch / f"{number}.bc", scratch / f"{number}.o"), folder, environment)
            data = (scratch / f"{number}.o").read_bytes()
            sizes = _sizes(data, sandbox)
            if is_smaller(sizes, best.result):
                best = Shrunk(plain, sizes, pass_list, data, len(pass_lists), 0.0)
    seconds = time.perf_counter() - started
    return Shrunk(best.plain, best.result, best.pass_list, best.object, best.tried, seconds)


def is_smaller(ours: ObjectSizes, theirs: ObjectSizes) -> bool:
    """Less code and read-only data, and no more of all that is loaded."""
    smaller = ours.text_bytes < theirs.text_bytes
    return smaller and ours.text_bytes + ours.others <= theirs.text_bytes + theirs.others


def _candidates(
    bitcode: bytes, pass_lists: Sequence[PassList], llvm: int, sandbox: Sandbox
) -> list[tuple[PassList, bytes]]:
    """(list, optimised module) of those that emit less than -Oz does, the smallest first."""
    wanted = [OZ, *(p for p in pass_lists if p != OZ)]
    pipelines = [lowered(p).pipeline(llvm) for p in wanted]
    outcomes = list(sandbox.map(measurer, Subject(bitcode, text_bytes=True, bitcode=True), pipelines))
    if not isinstance(outcomes[0], Measurement):
        raise NotShrunk(f"LLVM fails on -Oz itself: {outcomes[0]}")
    measured = [(m.text_bytes or 0, i, m.bitcode or b"") for i, m in enumerate(outcomes) if isinstance(m, Measurement)]
    return [(wanted[i], data) for size, i, data in sorted(measured) if size < (outcomes[0].text_bytes or 0)]


def _sizes(data: bytes, sandbox: Sandbox) -> ObjectSizes:
    sizes = sandbox.call(object_sizes, data)
    if isinstance(sizes, Failure):
        raise NotShrunk(f"the object cannot be read: {sizes}")
    return sizes


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None) -> None:
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotShrunk(str(error)) from None
    if done.returncode:
        raise NotShrunk(f"clang -cc1: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
