"""The Llama 2 architecture (Touvron et al., 2023): RMSNorm, rotary positions, SwiGLU, optional grouped heads.

Shapes: B sequences, T tokens of each now, S tokens with those in the cache, D width, H heads, K heads of keys and
values, E = D / H, V vocabulary. Names and layout of the weights are those of Hugging Face's LlamaForCausalLM.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention.flex_attention import BlockMask

from passformer.model.packed import Document, Packing, attend_packed, packing_of, places_of


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """The model's shape."""

    vocab_size: int
    dim: int
    """D."""
    num_layers: int
    num_heads: int
    """H."""
    num_kv_heads: int
    """K; a divisor of H."""
    hidden_dim: int
    """Of the feed-forward part."""
    context: int
    """The longest sequence that it is trained for; longer ones run, but worse."""
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5
    tie_embeddings: bool = True
    """Whether the embedding is also the output layer."""

    def __post_init__(self) -> None:
        if self.dim % self.num_heads or self.num_heads % self.num_kv_heads:
            raise ValueError(f"dim {self.dim}, {self.num_heads} heads and {self.num_kv_heads} kv heads do not divide")

    @property
    def head_dim(self) -> int:
        """E."""
        return self.dim // self.num_heads

    @property
    def num_parameters(self) -> int:
        """All weights; the embedding once where it is tied."""
        attention = self.head_dim * self.dim * 2 * (self.num_heads + self.num_kv_heads)
        layer = attention + 3 * self.dim * self.hidden_dim + 2 * self.dim
        embeddings = self.vocab_size * self.dim * (1 if self.tie_embeddings else 2)
        return self.num_layers * layer + self.dim + embeddings


Cache = list[tuple[Tensor, Tensor]]
"""Keys and values of each layer, (B, K, S, E)."""


class RMSNorm(nn.Module):
    """Root mean square normalisation, computed in float32."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        wide = x.float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (wide * scale).to(x.dtype) * self.weight


def rotary(positions: Tensor, head_dim: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines, each (..., T, E), of integer positions (..., T)."""
    frequencies = base ** (-torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim)
    angles = positions.float().unsqueeze(-1) * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (x[i], x[i + E/2]) of (B, H, T, E) by its angle."""
    first, second = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


class Attention(nn.Module):
    """Causal self-attention with grouped key and value heads."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        kv_dim = config.num_kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.dim, config.dim, bias=False)
        self.k_proj = nn.Linear(config.dim, kv_dim, bias=False)
        self.v_proj = nn.Linear(config.dim, kv_dim, bias=False)
        self.o_proj = nn.Linear(config.dim, config.dim, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, cache: tuple[Tensor, Tensor] | None, packing: Packing | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, T, D) -> (B, T, D), and the cache with these tokens in it; `packing` where they are packs."""
        heads = (*x.shape[:2], -1, self.config.head_dim)
        q = rotate(self.q_proj(x).view(heads).transpose(1, 2), cos, sin)
        k = rotate(self.k_proj(x).view(heads).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(heads).transpose(1, 2)
        if cache is not None:
            k, v = torch.cat((cache[0], k), dim=2), torch.cat((cache[1], v), dim=2)
        out = attend(q, k, v) if packing is None else attend_packed(q, k, v, packing)
        return self.o_proj(out.transpose(1, 2).flatten(2)), (k, v)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, H, T, E) over (B, K, S, E): token t of the T last of S sees all up to itself."""
    num_new, num_all = q.shape[2], k.shape[2]
    grouped = q.shape[1] != k.shape[1]
    if num_new == num_all:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
    mask = torch.ones(num_new, num_all, dtype=torch.bool, device=q.device).tril(num_all - num_new)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=grouped)


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.dim, config.hidden_dim, bias=False)
        self.up_proj = nn.Linear(config.dim, config.hidden_dim, bias=False)
        self.down_proj = nn.Linear(config.hidden_dim, config.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """One transformer block."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.dim, config.norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.dim, config.norm_eps)
        self.mlp = FeedForward(config)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, cache: tuple[Tensor, Tensor] | None, packing: Packing | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, T, D) -> (B, T, D), and this layer's cache."""
        attended, cache = self.self_attn(self.input_layernorm(x), cos, sin, cache, packing)
        x = x + attended
        return x + self.mlp(self.post_attention_layernorm(x)), cache


class Decoder(nn.Module):
    """All but the output layer; Hugging Face calls it `model`."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.norm = RMSNorm(config.dim, config.norm_eps)


class Llama(nn.Module):
    """Tokens to logits."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.dim, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        self.init_weights()

    def init_weights(self, std: float = 0.02) -> None:
        """Normal; what adds to the residual stream is smaller the deeper the model (Radford et al., 2019)."""
        depth = (2 * self.config.num_layers) ** -0.5
        for name, parameter in self.named_parameters():
            if parameter.dim() == 1:
                nn.init.ones_(parameter)
            else:
                residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=std * (depth if residual else 1.0))

    def forward(
        self,
        tokens: Tensor,
        cache: Cache | None = None,
        documents: Sequence[Document] | None = None,
        at: Tensor | None = None,
    ) -> tuple[Tensor, Cache]:
        """(B, T) -> logits (B, T, V), and the cache for what follows.

        `documents` (of all B packs, one behind the other) restarts positions and keeps documents and branches apart;
        `at` (N,) gives logits (N, V) of these of the B * T tokens: the output layer is much of a small model's work.
        """
        hidden, cache = self.hidden(tokens, cache, documents)
        return self.lm_head(hidden if at is None else hidden.flatten(0, 1)[at]), cache

    def hidden(
        self, tokens: Tensor, cache: Cache | None = None, documents: Sequence[Document] | None = None
    ) -> tuple[Tensor, Cache]:
        """(B, T) -> what the output layer sees (B, T, D), and the cache."""
        packing, shape = None, tokens.shape
        if documents is None:
            start = cache[0][0].shape[2] if cache else 0
            positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        else:
            places = places_of(documents)
            packing = packing_of(documents, places, len(tokens), tokens.device)
            tokens = tokens if isinstance(packing, BlockMask) else tokens.reshape(1, -1)
            positions = torch.from_numpy(places.position).to(tokens.device).view(len(tokens), 1, -1)
        cos, sin = rotary(positions, self.config.head_dim, self.config.rope_base)
        x = self.model.embed_tokens(tokens)
        cos, sin = cos.to(x.dtype), sin.to(x.dtype)
        new: Cache = []
        for i, layer in enumerate(self.model.layers):
            x, after = layer(x, cos, sin, cache[i] if cache else None, packing)
            new.append(after)
        return self.model.norm(x).view(*shape, -1), new

    def decay_groups(self) -> Iterator[tuple[bool, list[nn.Parameter]]]:
        """(whether weight decay applies, parameters): it does to matrices, and not to norms."""
        yield True, [p for p in self.parameters() if p.dim() > 1]
        yield False, [p for p in self.parameters() if p.dim() == 1]
