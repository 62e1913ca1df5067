"""The Hugging Face Llama layout on disk, config.json and model.safetensors: what others load our weights from."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from passformer.model.llama import Llama, LlamaConfig


class DamagedModel(Exception):
    """A folder that holds no model, or a damaged one; the message is for people."""


def save_hf(model: Llama, folder: Path) -> None:
    """Write the model; weights in the type that they have."""
    config = model.config
    described = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.dim,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "intermediate_size": config.hidden_dim,
        "max_position_embeddings": config.context,
        "rope_theta": config.rope_base,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "torch_dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
    }
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if config.tie_embeddings:
        del tensors["lm_head.weight"]
    temporary = folder / "model.safetensors.tmp"
    save_file(tensors, temporary, metadata={"format": "pt"})
    temporary.rename(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(described, indent=2) + "\n")


def load_hf(folder: Path, dtype: torch.dtype = torch.float32) -> Llama:
    """Read a model in this layout, ours or another's; raises DamagedModel saying what is wrong."""
    try:
        described = json.loads((folder / "config.json").read_text())
        config = LlamaConfig(
            vocab_size=described["vocab_size"],
            dim=described["hidden_size"],
            num_layers=described["num_hidden_layers"],
            num_heads=described["num_attention_heads"],
            num_kv_heads=described.get("num_key_value_heads", described["num_attention_heads"]),
            hidden_dim=described["intermediate_size"],
            context=described["max_position_embeddings"],
            rope_base=_rope_base(described),
            norm_eps=described["rms_norm_eps"],
            tie_embeddings=described.get("tie_word_embeddings", False),
        )
        tensors = load_file(folder / "model.safetensors")
        model = Llama(config).to(dtype)
        missing, unexpected = model.load_state_dict(tensors, strict=False)
    except Exception as error:  # safetensors, json and torch each have their own
        raise DamagedModel(f"{folder} holds no whole Llama model ({str(error)[:200]})") from None
    if unexpected or set(missing) - {"lm_head.weight"} or (missing and not config.tie_embeddings):
        raise DamagedModel(f"{folder}: weights do not fit config.json: {[*missing, *unexpected][:3]}")
    return model


def _rope_base(described: dict) -> float:  # type: ignore[type-arg]  # JSON
    """Newer versions of transformers keep it in `rope_parameters`."""
    parameters = described.get("rope_parameters") or {}
    return float(described.get("rope_theta", parameters.get("rope_theta", 10_000.0)))
