"""What a preset needs, computed without weights: parameters, memory a GPU, floating-point work, days.

Usage: python benchmarks/dry_run.py [configs/paper-7b.toml]
Writes docs/results/dry-run.json. The model is built on PyTorch's meta device: shapes are real, and nothing else is.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from passformer.bench.provenance import provenance
from passformer.model.llama import Llama, LlamaConfig
from passformer.train.config import TrainConfig, read_config

ROOT = Path(__file__).parent.parent
GPUS = {"NVIDIA H100": (989e12, 80), "NVIDIA A100": (312e12, 80)}
"""Name -> (dense bfloat16 operations a second, GB), from NVIDIA's data sheets."""
USED = 0.4
"""Share of a GPU's operations that training of this kind reaches; Llama 2's own report gives about that."""
STATE_BYTES = 16
"""A parameter: float32 weight, gradient, and AdamW's two moments, all of them sharded."""
VOCABULARY = 32_000
"""Of the paper's tokenizer, Llama 2's."""


def memory(config: TrainConfig, parameters: int, num_gpus: int) -> dict[str, float]:
    """GB on each GPU, one pack at a time: sharded state, one layer gathered in bfloat16, activations of a pack.

    Activations are counted as 34 bytes a token and unit of width in each layer without attention scores (Korthikanti et
    al., 2022, their formula with fused attention), plus float32 logits where there are targets.
    """
    model = config.model
    layer = (parameters - 2 * VOCABULARY * model.dim) / model.num_layers
    targets = config.data.pack_tokens - config.data.max_prompt
    return {
        "state": STATE_BYTES * parameters / num_gpus / 1e9,
        "gathered": 2 * 2 * layer / 1e9,
        "activations": 34 * config.data.pack_tokens * model.dim * model.num_layers / 1e9,
        "logits": 2 * 4 * targets * VOCABULARY / 1e9,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path, nargs="?", default=ROOT / "configs" / "paper-7b.toml")
    config = read_config(parser.parse_args().config, TrainConfig)
    shape = LlamaConfig(vocab_size=VOCABULARY, **config.model.model_dump())
    with torch.device("meta"):
        parameters = sum(p.numel() for p in Llama(shape).parameters())
    assert parameters == shape.num_parameters
    attention = 12 * shape.num_layers * shape.dim * config.data.pack_tokens / 2  # causal: half of the pairs
    flops = 6 * (parameters - VOCABULARY * shape.dim) + attention
    tokens = config.optim.steps * config.optim.packs_per_step * config.data.pack_tokens
    rows: list[dict[str, Any]] = []
    for name, (speed, size) in GPUS.items():
        for num_gpus in (8, 64):
            needed = memory(config, parameters, num_gpus)
            rate = USED * speed / flops
            rows.append(
                {
                    "gpu": name,
                    "gpus": num_gpus,
                    "gigabytes": {**{k: round(v, 1) for k, v in needed.items()}, "of": size},
                    "fits": sum(needed.values()) < size,
                    "tokens_per_second_per_gpu": round(rate),
                    "days": round(tokens / rate / num_gpus / 86_400, 1),
                }
            )
    result = {
        "name": config.name,
        "parameters": parameters,
        "tokens": tokens,
        "flops_per_token": flops,
        "share_of_peak": USED,
        "rows": rows,
        **provenance(),
    }
    (ROOT / "docs" / "results" / "dry-run.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
