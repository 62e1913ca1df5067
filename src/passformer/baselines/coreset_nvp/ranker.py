"""A trained network with what it belongs to: its lists and its vocabulary, and the folder that they are kept in."""

import copy
import json
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from passformer.baselines.coreset_nvp.batch import encode
from passformer.baselines.coreset_nvp.graph import Graph
from passformer.baselines.coreset_nvp.network import ValueNetwork
from passformer.baselines.coreset_nvp.vocabulary import Vocabulary
from passformer.corpus.files import atomic
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import PassList

SETTINGS, VOCABULARY, BEST = "settings.json", "vocabulary.json", "best.pt"
"""Files of a folder: what was asked of the training, the network's words, its weights (in float16)."""
_EDGES_AT_ONCE = 20_000
"""Bounds the memory of a prediction to about 300 MB, unless one program alone has more."""


@dataclass(frozen=True, slots=True)
class Ranker:
    """Predicts the values of pass lists for programs."""

    pass_lists: tuple[PassList, ...]
    vocabulary: Vocabulary
    network: ValueNetwork

    @classmethod
    def untrained(cls, pass_lists: Sequence[PassList], vocabulary: Vocabulary, width: int, blocks: int) -> "Ranker":
        """With weights as torch's seed has them."""
        return cls(tuple(pass_lists), vocabulary, ValueNetwork(len(vocabulary), len(pass_lists), width, blocks))

    def rounded(self) -> "Ranker":
        """A copy with the weights that `best.pt` would keep."""
        return Ranker(self.pass_lists, self.vocabulary, copy.deepcopy(self.network).half().float())

    def predict(self, graphs: Sequence[Graph]) -> npt.NDArray[np.float32]:
        """(graphs, lists): logarithms of normalised values, up to a constant for each graph. At least one graph."""
        self.network.eval()
        encoded = encode(graphs, self.vocabulary, self.network.device)
        parts = _divided([len(graph.flows) for graph in graphs])
        with torch.inference_mode():
            predicted = [self.network(encoded.batch(part.to(self.network.device))) for part in parts]
        return torch.cat(predicted).cpu().numpy()


def _divided(num_edges: Sequence[int]) -> Iterator[torch.Tensor]:
    """Places of graphs that are predicted together."""
    first, together = 0, 0
    for i, number in enumerate(num_edges):
        if i > first and together + number > _EDGES_AT_ONCE:
            yield torch.arange(first, i)
            first, together = i, 0
        together += number
    yield torch.arange(first, len(num_edges))


def save_tensors(path: Path, state: Any) -> None:
    """A file that appears whole or not at all."""
    with atomic(path) as temporary:
        torch.save(state, temporary)


def read_tensors(path: Path) -> Any:
    """What `save_tensors` wrote, on the CPU; raises ValueError for something else."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(error) from None


def read_ranker(folder: Path) -> Ranker:
    """The best one of a training, on the CPU.

    Raises InputError where the folder holds none, a damaged one, or one for another LLVM major version.
    """
    if not (folder / BEST).exists():
        raise InputError(f"{folder} holds no network: `passformer coreset-nvp train DIR --coreset FILE` makes one")
    try:
        settings = json.loads((folder / SETTINGS).read_text())
        vocabulary = Vocabulary.from_json((folder / VOCABULARY).read_text())
        pass_lists = tuple(map(PassList.parse, settings["pass_lists"]))
        ranker = Ranker.untrained(pass_lists, vocabulary, settings["width"], settings["blocks"])
        ranker.network.load_state_dict(read_tensors(folder / BEST))
        llvm = settings["llvm"]
    except (OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise InputError(f"the network in {folder} is damaged ({str(error)[:100]!r}): train it again") from None
    current = find_toolchain().major
    if llvm != current:
        raise InputError(f"the network in {folder} was trained on LLVM {llvm}, and this is LLVM {current}: train again")
    return ranker
