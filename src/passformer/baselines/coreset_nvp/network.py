"""The graph network: attention in which edges have states of their own, after the publication's GEAN.

Taken from the publication (Liang et al., 2023, section on the Graph Edge Attention Network, and the settings beside the
authors' code): node -> edge -> node blocks with residual states of nodes and edges; an edge's state begins as the sum
of embeddings of its flow and its position; a node attends to the edges that leave it and those that enter it, and
treats the two differently; what is read out is the mean over instructions beside the mean over edges.

Decided here, so that a processor trains it in an hour: 64 wide and 4 blocks where nothing else is asked for (there 256
and 8), the three parts of an edge's input are projected apart and added (nodes have fewer rows than edges), no
embedding of the order of blocks.

Shapes: N nodes, E edges, B graphs, D width, H heads.
"""

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax

from passformer.baselines.coreset_nvp.batch import Batch
from passformer.baselines.coreset_nvp.graph import MAX_POSITION, Flow, Kind

NUM_HEADS = 4
"""The width of a network is a multiple of it."""


class EdgeAttention(nn.Module):
    """One block: edges learn of their ends, then nodes of their edges."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._sizes = [width, width, width, NUM_HEADS, NUM_HEADS]
        self._heads = (NUM_HEADS, width // NUM_HEADS)
        self._node_norm, self._edge_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self._from_source = nn.Linear(width, width)
        self._from_target = nn.Linear(width, width, bias=False)
        self._from_edge = nn.Linear(width, width, bias=False)
        self._outputs = nn.Linear(width, sum(self._sizes))
        self._node_update = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU())

    def forward(self, nodes: Tensor, states: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes (N, D) and states of edges (E, D), `edges` (2, E) -> both anew."""
        source, target = edges
        normed = self._node_norm(nodes)
        ends = self._from_source(normed).index_select(0, source) + self._from_target(normed).index_select(0, target)
        hidden = nn.functional.gelu(ends + self._from_edge(self._edge_norm(states)))
        change, leaving, entering, leaving_logits, entering_logits = self._outputs(hidden).split(self._sizes, dim=-1)
        ends_of = torch.cat([source, target])  # (2E,)
        weights = softmax(torch.cat([leaving_logits, entering_logits]), ends_of, num_nodes=len(nodes))  # (2E, H)
        messages = torch.cat([leaving, entering]).view(-1, *self._heads) * weights.unsqueeze(-1)
        heard = scatter(messages.flatten(1), ends_of, dim=0, dim_size=len(nodes), reduce="sum")
        return nodes + self._node_update(heard), states + change


class ValueNetwork(nn.Module):
    """Ranks lists for a program: softmax of what it returns stands for their normalised values."""

    def __init__(self, num_words: int, num_lists: int, width: int, num_blocks: int) -> None:
        super().__init__()
        self._words = nn.Embedding(num_words, width)
        self._flows = nn.Embedding(len(Flow), width)
        self._positions = nn.Embedding(MAX_POSITION + 1, width)
        self._blocks = nn.ModuleList(EdgeAttention(width) for _ in range(num_blocks))
        self._head = nn.Sequential(
            nn.LayerNorm(2 * width), nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, num_lists)
        )

    @property
    def device(self) -> torch.device:
        """Where its weights are, and batches must be."""
        return self._words.weight.device

    def forward(self, batch: Batch) -> Tensor:
        """(B, lists)"""
        nodes = self._words(batch.words)
        states = self._flows(batch.flows) + self._positions(batch.positions)
        for block in self._blocks:
            nodes, states = block(nodes, states, batch.edges)
        instructions = batch.kinds == Kind.INSTRUCTION
        mean_node = scatter(
            nodes[instructions], batch.graph_of_node[instructions], dim_size=batch.num_graphs, reduce="mean"
        )
        mean_edge = scatter(states, batch.graph_of_edge, dim_size=batch.num_graphs, reduce="mean")
        logits: Tensor = self._head(torch.cat([mean_node, mean_edge], dim=-1))
        return logits
