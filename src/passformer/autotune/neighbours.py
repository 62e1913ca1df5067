"""Which lists of a coreset to try first on a module: those that saved much on modules like it.

Alike are modules with about as many of each opcode before any optimisation. What the lists of the coreset save on each
module that they were chosen on ships beside it, `NAME.neighbours.npz`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Subject, measurer, opcode_counter
from passformer.llvm.passlist import PassList
from passformer.llvm.sandbox import Failure, Sandbox

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
_RANK = 5
_CLOCK = 1e-3
"""Less is below what can be measured."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """M modules and L lists."""

    pass_lists: tuple[PassList, ...]
    opcodes: Integers
    """(M, F) how often each LLVMOpcode stands in the unoptimised module."""
    baseline: Integers
    """(M,) its size under -Oz."""
    saved: Integers
    """(M, L) what each list saves; 0 where nothing, or where LLVM fails."""
    cost: Floats
    """(L,) CPU time of each list and of code generation after it, in units of -Oz's (see `costs_of`)."""

    def rank(self, opcodes: Sequence[int], thrifty: bool = False) -> list[PassList]:
        """All lists: each next one is expected to add most to the best of those before it, -Oz the back-up of all.

        With `thrifty`, most for what it costs.
        """
        weights = self._alike(np.array(opcodes, dtype=np.int64))
        gains = self.saved / np.sqrt(self.baseline.clip(1))[:, None]  # neither large modules decide alone, nor small
        reached, cost = np.zeros(len(gains)), self.cost if thrifty else np.ones(len(self.pass_lists))
        order: list[int] = []
        for _ in self.pass_lists:
            adds = weights @ (np.maximum(reached[:, None], gains) - reached[:, None]) / cost
            adds[order] = -1
            order.append(int(adds.argmax()))
            reached = np.maximum(reached, gains[:, order[-1]])
        return [self.pass_lists[i] for i in order]

    def _alike(self, opcodes: Integers) -> Floats:
        """(M,) weights. How far alike reaches is how far away a module's fifth neighbour is, on median."""
        known = np.log1p(self.opcodes)
        asked = np.log1p(np.resize(opcodes, known.shape[1]) if len(opcodes) else np.zeros(known.shape[1]))
        reach = np.median(np.sort(_squares(known, known), axis=1)[:, min(_RANK, len(known) - 1)])
        distances = _squares(asked[None], known)[0]
        weights: Floats = np.exp(-(distances - distances.min()) / (2 * reach or 1))
        return weights


def _squares(these: Floats, those: Floats) -> Floats:
    """(A, F), (B, F) -> (A, B) squared distances."""
    squares: Floats = (these**2).sum(axis=1)[:, None] + (those**2).sum(axis=1) - 2 * these @ those.T
    return squares.clip(0)


def count_opcodes(ir: bytes, sandbox: Sandbox) -> list[int]:
    """How often each LLVMOpcode stands in a module; nothing where LLVM fails."""
    (counts,) = sandbox.map(opcode_counter, ir, [""])
    return [] if isinstance(counts, Failure) else counts


def costs_of(modules: Sequence[bytes], pass_lists: Sequence[PassList], oz_pipeline: str, sandbox: Sandbox) -> Floats:
    """(L,) what running each list and emitting the object costs on these modules together, -Oz being 1."""
    seconds = np.zeros(1 + len(pass_lists))
    pipelines = [oz_pipeline, *(p.pipeline(find_toolchain().major) for p in pass_lists)]
    for ir in modules:
        for i, pipeline in enumerate(pipelines):  # one by one, or the worker's clock would be ahead of us
            before = sandbox.cpu_seconds
            list(sandbox.map(measurer, Subject(ir, text_bytes=True), [pipeline]))
            seconds[i] += max(sandbox.cpu_seconds - before, 0)
    costs: Floats = seconds[1:] / max(seconds[0], _CLOCK)
    return costs.clip(_CLOCK)


def neighbours_beside(coreset: Path) -> Path:
    """Where the neighbours of a coreset file lie."""
    return coreset.with_suffix(".neighbours.npz")


def write_neighbours(path: Path, neighbours: Neighbours) -> None:
    """As one .npz file."""
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            pass_lists=[str(p) for p in neighbours.pass_lists],
            opcodes=neighbours.opcodes.astype(np.uint32),
            baseline=neighbours.baseline.astype(np.int32),
            saved=neighbours.saved.astype(np.int32),
            cost=neighbours.cost.astype(np.float32),
        )


def read_neighbours(path: Path) -> Neighbours:
    """Raises InputError for a file that is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            pass_lists = tuple(PassList.parse(str(text)) for text in data["pass_lists"])
            opcodes, baseline, saved = (data[name].astype(np.int64) for name in ("opcodes", "baseline", "saved"))
            cost = data["cost"].astype(np.float64)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{path} holds no neighbours ({error})") from None
    return Neighbours(pass_lists, opcodes, baseline, saved, cost)


@cache
def shipped_neighbours(name: str) -> Neighbours:
    """Those of a coreset that comes with passformer."""
    folder = resources.files("passformer.autotune").joinpath("coresets")
    return read_neighbours(neighbours_beside(Path(str(folder.joinpath(f"{name}.toml")))))
