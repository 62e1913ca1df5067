"""Greedy decoding of many texts at once is greedy decoding of each."""

import pytest
import torch

from passformer.model.decoding import greedy
from passformer.model.llama import Llama, LlamaConfig
from passformer.model.torch_model import TorchModel, greedy_together

PROMPTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14, 15, 3, 2], [5, 6, 7, 8], [1, 2]]
END, MAX_TOKENS = 0, 24


def make_model(seed: int) -> Llama:
    torch.manual_seed(seed)
    config = LlamaConfig(16, dim=32, num_layers=2, num_heads=4, num_kv_heads=2, hidden_dim=48, context=32)
    model = Llama(config).eval()
    model.init_weights(std=0.5)  # far apart logits: no two tokens are all but equally probable
    return model


@pytest.mark.parametrize("seed", range(8))
def test_many_texts_at_once_are_those_written_one_by_one(seed):
    model = make_model(seed)
    one_by_one = []
    for prompt in PROMPTS:
        asked = TorchModel(model)
        state = asked.start(prompt[:-1])[1] if prompt[:-1] else None
        one_by_one.append(greedy(asked, state, prompt[-1:], END, MAX_TOKENS - len(prompt)))
    assert greedy_together(model, PROMPTS, END, MAX_TOKENS) == one_by_one
    assert greedy_together(model, PROMPTS[2:3], END, MAX_TOKENS) == one_by_one[2:3]


def test_texts_end_at_the_end_and_at_the_limit():
    lengths = {
        len(prompt) + len(text)
        for seed in range(8)
        for prompt, text in zip(PROMPTS, greedy_together(make_model(seed), PROMPTS, END, MAX_TOKENS), strict=True)
    }
    assert max(lengths) == MAX_TOKENS and len(lengths) > 3
