"""Several graphs as one with as many components, which is what the network takes.

N nodes, E edges and B graphs, all of the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from passformer.baselines.coreset_nvp.graph import Graph
from passformer.baselines.coreset_nvp.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Tensors of int64."""

    num_graphs: int
    words: torch.Tensor
    """(N,): numbers of the vocabulary."""
    kinds: torch.Tensor
    """(N,)"""
    graph_of_node: torch.Tensor
    """(N,): 0 to B - 1."""
    edges: torch.Tensor
    """(2, E): from and to."""
    flows: torch.Tensor
    """(E,)"""
    positions: torch.Tensor
    """(E,)"""
    graph_of_edge: torch.Tensor
    """(E,)"""


def collate(graphs: Sequence[Graph], vocabulary: Vocabulary) -> Batch:
    """At least one graph; any of them may be empty."""
    num_nodes = np.array([len(g.node_texts) for g in graphs])
    num_edges = np.array([len(g.flows) for g in graphs])
    first_nodes = np.cumsum(num_nodes) - num_nodes
    return Batch(
        len(graphs),
        _tensor(np.concatenate([vocabulary.encode(g) for g in graphs])),
        _tensor(np.concatenate([g.node_kinds for g in graphs])),
        _tensor(np.repeat(np.arange(len(graphs)), num_nodes)),
        _tensor(np.concatenate([g.edges for g in graphs], axis=1) + np.repeat(first_nodes, num_edges)),
        _tensor(np.concatenate([g.flows for g in graphs])),
        _tensor(np.concatenate([g.positions for g in graphs])),
        _tensor(np.repeat(np.arange(len(graphs)), num_edges)),
    )


def _tensor(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.int64))
