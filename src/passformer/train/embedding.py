"""Training of an embedding: what lists save on a function's neighbours is to be what they save on it.

The loss of a function is the negative logarithm of how likely its savings are under a mixture: a Gaussian around the
savings of each exemplar, weighed as `Exemplars.posterior` weighs them (neighbourhood components analysis, Goldberger et
al., 2004, with savings in place of classes). Functions of its own group are never among its neighbours: an embedding
that finds near copies of a function again would learn nothing for code that has none.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from passformer.llvm.progress import Report, silent
from passformer.model.embedding import Embedding

Floats32 = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
_LEAST = 1e-6
"""Of a prior's weights, so that their logarithms are finite."""
_NEVER = -1e9
"""Logarithm of what functions of one group say of each other."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Found on training functions of groups that were held out."""

    hidden: int = 256
    coordinates: int = 32
    steps: int = 1000
    epochs: int = 40
    """At most, of few functions: fewer steps then."""
    batch: int = 256
    memory: int = 2048
    """Functions that those of a batch are compared with, drawn anew each step."""
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    dropout: float = 0.2
    spread: float = 1.0
    """Standard deviation of the Gaussians; savings are compared by their square roots."""


@dataclass(frozen=True, slots=True)
class Examples:
    """N functions of which all is known."""

    features: Floats32
    """(N, F), see `features_of`."""
    chances: Floats32
    """(N, A) of answers."""
    shares: Floats32
    """(N, A), as in `Exemplars`."""
    saved: Floats32
    """(N, L) instructions saved by each list."""
    groups: Integers
    """(N,)"""

    def take(self, rows: Integers) -> "Examples":
        """Some of them."""
        parts = (self.features, self.chances, self.shares, self.saved, self.groups)
        return Examples(*(part[rows] for part in parts))  # type: ignore[arg-type]


def train_embedding(
    examples: Examples, settings: Settings | None = None, seed: int = 0, report: Report = silent
) -> Embedding:
    """Functions count as the square root of one more than what their best list saves. Deterministic, given a seed."""
    settings = settings or Settings()
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    deviation = examples.features.std(axis=0) + 1e-3
    width, coordinates = examples.features.shape[1], settings.coordinates
    hidden, out = nn.Linear(width, settings.hidden), nn.Linear(settings.hidden, coordinates)
    network = nn.Sequential(nn.Dropout(settings.dropout), hidden, nn.ReLU(), nn.Dropout(settings.dropout), out)
    embedding = _embedding(examples.features.mean(axis=0), deviation, hidden, out)
    inputs = torch.from_numpy(embedding.standardised(examples.features))
    chances, shares = torch.from_numpy(examples.chances), torch.from_numpy(examples.shares)
    roots = torch.from_numpy(np.sign(examples.saved) * np.sqrt(np.abs(examples.saved)))
    weights = torch.from_numpy(np.sqrt(1 + examples.saved.max(axis=1).clip(0)))
    groups = torch.from_numpy(examples.groups)
    steps = min(settings.steps, settings.epochs * -(-len(inputs) // settings.batch))
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=steps)
    network.train()
    for step in range(steps):
        asked = torch.randint(len(inputs), (settings.batch,), generator=generator)
        known = torch.randint(len(inputs), (settings.memory,), generator=generator)
        prior = torch.log(chances[asked] @ shares[known].T + _LEAST)
        prior[groups[asked][:, None] == groups[known]] = _NEVER
        nearness = -(torch.cdist(network(inputs[asked]), network(inputs[known])) ** 2)
        likelihood = -(torch.cdist(roots[asked], roots[known]) ** 2) / (2 * settings.spread**2)
        losses = -torch.logsumexp(torch.log_softmax(prior + nearness, dim=1) + likelihood, dim=1)
        loss = (losses * weights[asked]).sum() / weights[asked].sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        report(f"learning which functions are alike: loss {loss.item():.3f}", step + 1, steps)
    return _embedding(embedding.mean, embedding.deviation, hidden, out)


def _embedding(mean: Floats32, deviation: Floats32, hidden: nn.Linear, out: nn.Linear) -> Embedding:
    parameters = (hidden.weight.T, hidden.bias, out.weight.T, out.bias)
    return Embedding(mean, deviation, *(p.detach().numpy().copy() for p in parameters))
