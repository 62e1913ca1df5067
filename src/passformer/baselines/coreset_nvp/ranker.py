"""A trained network with what it belongs to: its lists and its vocabulary, and the folder that they are kept in."""

import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from passformer.baselines.coreset_nvp.batch import collate
from passformer.baselines.coreset_nvp.graph import Graph
from passformer.baselines.coreset_nvp.network import ValueNetwork
from passformer.baselines.coreset_nvp.vocabulary import Vocabulary
from passformer.corpus.files import atomic
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList

SETTINGS, VOCABULARY, BEST = "settings.json", "vocabulary.json", "best.pt"
"""Files of a folder: what was asked of the training, the network's words, its weights."""
_GRAPHS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Ranker:
    """Predicts the values of pass lists for programs."""

    pass_lists: tuple[PassList, ...]
    vocabulary: Vocabulary
    network: ValueNetwork

    @classmethod
    def untrained(cls, pass_lists: Sequence[PassList], vocabulary: Vocabulary) -> "Ranker":
        """With weights as torch's seed has them."""
        return cls(tuple(pass_lists), vocabulary, ValueNetwork(len(vocabulary), len(pass_lists)))

    def predict(self, graphs: Sequence[Graph]) -> npt.NDArray[np.float32]:
        """(graphs, lists): logarithms of normalised values, up to a constant for each graph. At least one graph."""
        self.network.eval()
        starts = range(0, len(graphs), _GRAPHS_AT_ONCE)
        with torch.inference_mode():
            batches = (collate(graphs[i : i + _GRAPHS_AT_ONCE], self.vocabulary) for i in starts)
            return np.concatenate([self.network(batch).numpy() for batch in batches])


def save_tensors(path: Path, state: Any) -> None:
    """A file that appears whole or not at all."""
    with atomic(path) as temporary:
        torch.save(state, temporary)


def read_ranker(folder: Path, llvm: int) -> Ranker:
    """The best one of a training.

    Raises InputError where the folder holds none, a damaged one, or one for another LLVM major version.
    """
    if not (folder / BEST).exists():
        raise InputError(
            f"{folder} holds no trained network: `passformer coreset-nvp train DIR --coreset FILE` on a tuned corpus "
            "makes one, and --training DIR names that corpus"
        )
    try:
        settings = json.loads((folder / SETTINGS).read_text())
        vocabulary = Vocabulary.from_json((folder / VOCABULARY).read_text())
        ranker = Ranker.untrained(tuple(map(PassList.parse, settings["pass_lists"])), vocabulary)
        ranker.network.load_state_dict(torch.load(folder / BEST, weights_only=True))
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(f"{folder} is damaged ({str(error)[:100]!r}): remove it and train again") from None
    if settings["llvm"] != llvm:
        raise InputError(f"the network in {folder} was trained on LLVM {settings['llvm']}, and this is LLVM {llvm}")
    return ranker
