"""From texts to numbers: a vocabulary learnt on training functions, with an entry for what is unknown."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from passformer.baselines.coreset_nvp.graph import Graph

UNKNOWN = 0
"""The number of every text that is not in a vocabulary."""
MIN_GRAPHS = 5
"""In how many training functions a text must occur: what is rarer is better learnt as unknown than by heart."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Texts, numbered from 1 in their order."""

    texts: tuple[str, ...]
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_numbers", {text: i for i, text in enumerate(self.texts, UNKNOWN + 1)})

    def __len__(self) -> int:
        """With the entry for what is unknown."""
        return len(self.texts) + 1

    def encode(self, graph: Graph) -> npt.NDArray[np.int64]:
        """(N,): the number of each node's text."""
        numbers = np.array([self._numbers.get(text, UNKNOWN) for text in graph.texts], dtype=np.int64)
        return numbers[graph.node_texts]

    def to_json(self) -> str:
        """`from_json` reads it back to an equal value."""
        return json.dumps(self.texts, indent=0) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Vocabulary":
        """Raises ValueError for text that is something else."""
        return cls(tuple(map(str, json.loads(text))))


def learn_vocabulary(graphs: Iterable[Graph], min_graphs: int = MIN_GRAPHS) -> Vocabulary:
    """The texts of at least `min_graphs` graphs, the most frequent first."""
    counts = Counter(text for graph in graphs for text in graph.texts)
    return Vocabulary(tuple(sorted((t for t, n in counts.items() if n >= min_graphs), key=lambda t: (-counts[t], t))))
