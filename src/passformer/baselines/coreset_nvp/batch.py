"""Graphs as tensors: encoded once, and cut into batches on the device that computes with them.

A batch is several graphs as one with as many components, which is what the network takes. N nodes, E edges and B
graphs, all of the batch; G graphs that are encoded.
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


@dataclass(frozen=True, slots=True, eq=False)
class EncodedGraphs:
    """All nodes and edges one graph after the other, in small types: 20,000 functions have about 50 MB."""

    num_nodes: torch.Tensor
    """(G,)"""
    num_edges: torch.Tensor
    """(G,)"""
    words: torch.Tensor
    """(all nodes,): numbers of the vocabulary."""
    kinds: torch.Tensor
    """(all nodes,)"""
    edges: torch.Tensor
    """(2, all edges): from and to, numbered in each graph from 0."""
    flows: torch.Tensor
    """(all edges,)"""
    positions: torch.Tensor
    """(all edges,)"""

    def batch(self, chosen: torch.Tensor) -> Batch:
        """Of the graphs `chosen` (B,), by their places; any of them may be empty."""
        num_nodes, num_edges = self.num_nodes[chosen], self.num_edges[chosen]
        graphs = torch.arange(len(chosen), device=chosen.device)
        nodes, edges = _places(self.num_nodes, chosen), _places(self.num_edges, chosen)
        first_nodes = num_nodes.cumsum(0) - num_nodes
        return Batch(
            len(chosen),
            self.words[nodes].long(),
            self.kinds[nodes].long(),
            graphs.repeat_interleave(num_nodes),
            self.edges[:, edges].long() + first_nodes.repeat_interleave(num_edges),
            self.flows[edges].long(),
            self.positions[edges].long(),
            graphs.repeat_interleave(num_edges),
        )


def encode(graphs: Sequence[Graph], vocabulary: Vocabulary, device: torch.device) -> EncodedGraphs:
    """At least one graph."""
    parts = (
        np.array([len(g.node_texts) for g in graphs]),
        np.array([len(g.flows) for g in graphs]),
        np.concatenate([vocabulary.encode(g) for g in graphs]).astype(np.int32),
        np.concatenate([g.node_kinds for g in graphs]),
        np.concatenate([g.edges for g in graphs], axis=1),
        np.concatenate([g.flows for g in graphs]),
        np.concatenate([g.positions for g in graphs]),
    )
    return EncodedGraphs(*(torch.from_numpy(part).to(device) for part in parts))


def _places(sizes: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Where the elements of the chosen graphs stand among those of all, whose numbers are `sizes` (G,)."""
    wanted = sizes[chosen]
    starts = (sizes.cumsum(0) - sizes)[chosen]
    shifts = (starts - (wanted.cumsum(0) - wanted)).repeat_interleave(wanted)
    return torch.arange(len(shifts), device=shifts.device) + shifts
