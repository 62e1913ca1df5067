"""A smaller object for one compilation: try pass lists in process, keep what clang's own back-end confirms.

Lists are tried where emitting an object costs no new process but knows not all of the user's flags: first on the whole
module, then, on what came out smallest, function by function. The best go through clang's back-end with all flags, and
count only if they are smaller than the object that clang made.
"""

import re
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from passformer.build.arguments import Compilation
from passformer.build.recipe import Recipe
from passformer.llvm.measure import Measurement, Subject, function_measurer, measurer, run_on_functions
from passformer.llvm.objects import ObjectSizes, object_sizes
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Failure, Sandbox
from passformer.methods.method import lowered

CONFIRMED = 2
"""Candidates that go through clang's back-end, at most."""
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be tried on one module."""

    module: Sequence[PassList]
    """On all of it."""
    functions: Sequence[PassList] = ()
    """After that, on each of its functions: lists of function passes."""
    recipe: Recipe | None = None
    """Nothing but this."""


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """What clang's front-end says of a compilation."""

    bitcode: bytes
    """Unoptimised."""
    files: tuple[str, ...]
    """All that it read, as absolute paths."""
    silent: bool
    """Whether it had nothing to say to the user."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What came out for one object."""

    plain: ObjectSizes
    """Of the object that clang made."""
    result: ObjectSizes
    """Of the object that is to stand in its place; the same where none is smaller."""
    recipe: Recipe
    """Plain where none is."""
    object: bytes | None
    """The smaller object."""
    tried: int
    """Pass lists."""
    seconds: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A module that may become the object."""

    recipe: Recipe
    bitcode: bytes
    """Optimised."""
    text_bytes: int
    """What the object should have, as far as is known before clang has made it."""
    function_bytes: Mapping[str, int]


class NotShrunk(Exception):
    """Why nothing was tried; for the log."""


def read_source(compilation: Compilation, folder: Path, environment: Mapping[str, str] | None = None) -> FrontEnd:
    """Run clang's front-end in `folder`; raises NotShrunk where it fails."""
    with tempfile.TemporaryDirectory(prefix="passformer-") as name:
        bitcode, dependencies = Path(name) / "in.bc", Path(name) / "in.d"
        said = _run(compilation.to_bitcode(bitcode, dependencies), folder, environment)
        files = tuple(str(folder / file) for file in dependencies_of(dependencies.read_text(errors="surrogateescape")))
        return FrontEnd(bitcode.read_bytes(), files, not said)


def shrink(
    compilation: Compilation,
    folder: Path,
    source: FrontEnd,
    choices: Choices,
    llvm: int,
    sandbox: Sandbox,
    environment: Mapping[str, str] | None = None,
) -> Shrunk:
    """Try the choices on a compilation whose plain object lies in `folder / output`; clang runs there.

    Raises NotShrunk where clang or LLVM fails.
    """
    started = time.perf_counter()
    plain = _sizes((folder / compilation.output).read_bytes(), sandbox)
    candidates, tried = _candidates(source.bitcode, plain, choices, llvm, sandbox)
    recipe, result, smaller = Recipe(), plain, None
    with tempfile.TemporaryDirectory(prefix="passformer-") as name:
        bitcode, output = Path(name) / "out.bc", Path(name) / "out.o"
        for candidate in candidates[:CONFIRMED]:
            if candidate.text_bytes >= result.text_bytes:
                break
            bitcode.write_bytes(candidate.bitcode)
            _run(compilation.to_object(bitcode, output), folder, environment)
            data = output.read_bytes()
            sizes = _sizes(data, sandbox)
            if is_smaller(sizes, result):
                recipe, result, smaller = candidate.recipe, sizes, data
    return Shrunk(plain, result, recipe, smaller, tried, time.perf_counter() - started)


def is_smaller(ours: ObjectSizes, theirs: ObjectSizes) -> bool:
    """Less code and read-only data, and no more of all that is loaded."""
    smaller = ours.text_bytes < theirs.text_bytes
    return smaller and ours.text_bytes + ours.others <= theirs.text_bytes + theirs.others


def dependencies_of(depfile: str) -> list[str]:
    """The files on the right of a depfile's rule."""
    _, _, right = depfile.replace("\\\n", " ").partition(": ")
    words = re.findall(r"(?:\\.|\$\$|[^\s\\])+", right)
    return [re.sub(r"\\([ #])", r"\1", word).replace("$$", "$") for word in words]


def _candidates(
    bitcode: bytes, plain: ObjectSizes, choices: Choices, llvm: int, sandbox: Sandbox
) -> tuple[list[_Candidate], int]:
    """Those that should be smaller than the plain object, the smallest first; and the number of lists tried."""
    if choices.recipe is not None:
        return ([] if choices.recipe.is_plain else [_follow(choices.recipe, bitcode, llvm, sandbox)]), 0
    lists = [p for p in choices.module if p != OZ]
    subject = Subject(bitcode, text_bytes=True, bitcode=True)
    outcomes = sandbox.map(measurer, subject, [lowered(p).pipeline(llvm) for p in lists])
    found = [
        _Candidate(Recipe(p), o.bitcode or b"", o.text_bytes or 0, o.function_bytes or {})
        for p, o in zip(lists, outcomes, strict=True)
        if isinstance(o, Measurement) and (o.text_bytes or 0) < plain.text_bytes
    ]
    found.sort(key=lambda candidate: candidate.text_bytes)
    if choices.functions:
        base = found[0] if found else _oz(bitcode, plain, llvm, sandbox)
        if better := _by_function(base, choices.functions, llvm, sandbox):
            found.insert(0, better)
    return found, len(lists) + len(choices.functions)


def _oz(bitcode: bytes, plain: ObjectSizes, llvm: int, sandbox: Sandbox) -> _Candidate:
    """The module of clang's own object, whose sizes are known."""
    (outcome,) = sandbox.map(measurer, Subject(bitcode, bitcode=True), [OZ.pipeline(llvm)])
    if not isinstance(outcome, Measurement):
        raise NotShrunk(f"LLVM fails on -Oz itself: {outcome}")
    return _Candidate(Recipe(), outcome.bitcode or b"", plain.text_bytes, plain.functions)


def _by_function(base: _Candidate, lists: Sequence[PassList], llvm: int, sandbox: Sandbox) -> _Candidate | None:
    """Give each function the list that makes it smallest; None where no function gets smaller by any.

    Passes of functions see one function at a time, so one run over all of them says what each list does to each.
    """
    outcomes = sandbox.map(function_measurer, base.bitcode, [p.pipeline(llvm) for p in lists])
    sizes = [(p, o) for p, o in zip(lists, outcomes, strict=True) if not isinstance(o, Failure)]
    chosen: dict[str, PassList] = {}
    saved = 0
    for name, size in base.function_bytes.items():
        best = min(sizes, key=lambda pair: pair[1].get(name, size), default=None)
        if best and best[1].get(name, size) < size:
            chosen[name] = best[0]
            saved += size - best[1][name]
    if not chosen:
        return None
    try:
        module = _on_functions(base.bitcode, chosen, llvm, sandbox)
    except NotShrunk:
        return None
    return _Candidate(Recipe(base.recipe.module, chosen), module, base.text_bytes - saved, {})


def _follow(recipe: Recipe, bitcode: bytes, llvm: int, sandbox: Sandbox) -> _Candidate:
    (outcome,) = sandbox.map(measurer, Subject(bitcode, bitcode=True), [lowered(recipe.module).pipeline(llvm)])
    if not isinstance(outcome, Measurement):
        raise NotShrunk(f"LLVM fails on a recipe: {outcome}")
    module = outcome.bitcode or b""
    if recipe.functions:
        module = _on_functions(module, recipe.functions, llvm, sandbox)
    return _Candidate(recipe, module, 0, {})


def _on_functions(ir: bytes, chosen: Mapping[str, PassList], llvm: int, sandbox: Sandbox) -> bytes:
    pipelines = {name: pass_list.pipeline(llvm) for name, pass_list in chosen.items()}
    outcome = sandbox.call(run_on_functions, (ir, pipelines))
    if isinstance(outcome, Failure):
        raise NotShrunk(f"LLVM fails on single functions: {outcome}")
    return outcome


def _sizes(data: bytes, sandbox: Sandbox) -> ObjectSizes:
    sizes = sandbox.call(object_sizes, data)
    if isinstance(sizes, Failure):
        raise NotShrunk(f"the object cannot be read: {sizes}")
    return sizes


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None) -> str:
    """What it says to the user."""
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotShrunk(str(error)) from None
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    if done.returncode:
        raise NotShrunk(f"clang -cc1: {said.splitlines()[-1] if said else 'failed'}")
    return said
