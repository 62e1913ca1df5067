"""A PyTorch model behind the interface that decoding needs, and greedy decoding of many texts at once.

Shapes: B texts, T tokens of the longest.
"""

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
        return logits[0].float().cpu().numpy(), cache


@torch.no_grad()
def greedy_together(model: Llama, prompts: Sequence[Sequence[int]], end: int, max_tokens: int) -> list[list[int]]:
    """What `greedy` writes behind each prompt, up to `end` or until prompt and text have `max_tokens`.

    All texts go on by one token at a time, from where the shortest prompt ends: those whose prompts are longer are
    still reading while others are being written. So all have the same number of tokens in the cache, without padding.
    It is quick where prompts are about equally long.
    """
    device = next(model.parameters()).device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    texts = torch.full((len(prompts), max_tokens), end, device=device)  # (B, T)
    for text, prompt in zip(texts, prompts, strict=True):
        text[: len(prompt)] = torch.tensor(prompt, device=device)
    start = min(map(len, prompts))
    going_on = torch.arange(len(prompts), device=device)
    ends = torch.arange(1, len(prompts) + 1, device=device) * start - 1
    logits, cache = model(texts[:, :start], at=ends)  # (B, V)
    for position in range(start, max_tokens):
        is_reading = position < lengths[going_on]
        tokens = torch.where(is_reading, texts[going_on, position], logits.argmax(-1))
        texts[going_on, position] = tokens
        lives = is_reading | (tokens != end)
        if not lives.all():
            going_on, tokens = going_on[lives], tokens[lives]
            cache = [(keys[lives], values[lives]) for keys, values in cache]
        if not len(going_on):
            break
        logits, cache = model(tokens[:, None], cache=cache)
        logits = logits[:, 0]
    written = (text[len(prompt) :] for text, prompt in zip(texts.tolist(), prompts, strict=True))
    return [text[: text.index(end)] if end in text else text for text in written]
