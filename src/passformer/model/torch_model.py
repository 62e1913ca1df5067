"""A PyTorch model behind the interface that decoding needs."""

from collections.abc import Sequence

import torch

from passformer.model.decoding import Logits
from passformer.model.llama import Cache, Llama


class TorchModel:
    """For training's own validation, and for models that are not exported."""

    def __init__(self, model: Llama) -> None:
        self._model = model

    @torch.no_grad()
    def start(self, tokens: Sequence[int]) -> tuple[Logits, Cache]:
        """(logits (V,), state) after a prompt."""
        return self._run(None, tokens)

    @torch.no_grad()
    def follow(self, state: Cache, tokens: Sequence[int]) -> tuple[Logits, Cache]:
        """(logits (V,), state) after more tokens."""
        return self._run(state, tokens)

    def _run(self, cache: Cache | None, tokens: Sequence[int]) -> tuple[Logits, Cache]:
        device = next(self._model.parameters()).device
        last = torch.tensor([len(tokens) - 1], device=device)
        logits, cache = self._model(torch.tensor([list(tokens)], device=device), cache=cache, at=last)
        return logits[0, 0].float().cpu().numpy(), cache
