"""Export to ONNX with a KV cache and 8-bit weights, for ONNX Runtime on processors.

The graph is written node by node: ONNX Runtime's own operators for rotary grouped-query attention and for weights in
blocks of 8 bits do in one step what an exporter would spread over dozens. Each weight matrix is cut into blocks of 32
inputs; a block has one float scale, and arithmetic is in 8-bit integers.

Inputs: `tokens` (1, T), and of each layer i `past_key_i`, `past_value_i` (1, K, S, E). Outputs: `logits` (1, V) of the
last token, `key_i`, `value_i` (1, K, S + T, E).
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from passformer.model.llama import Llama, rotary

OPSET = 21
MICROSOFT = "com.microsoft"
BLOCK = 32
_INT8_ARITHMETIC = 4
"""ONNX Runtime's accuracy level: activations are rounded to 8 bits too."""

Floats = npt.NDArray[np.float32]


def quantize(weight: Floats) -> tuple[npt.NDArray[np.uint8], Floats]:
    """(N, D) -> 8-bit blocks (N, D / BLOCK, BLOCK), 128 standing for zero, and their scales (N, D / BLOCK)."""
    rows, columns = weight.shape
    if columns % BLOCK:
        raise ValueError(f"{columns} inputs are no multiple of {BLOCK}")
    blocks = weight.reshape(rows, columns // BLOCK, BLOCK)
    scales = np.maximum(np.abs(blocks).max(axis=2), 1e-12) / 127
    levels = np.clip(np.rint(blocks / scales[:, :, None]), -127, 127) + 128
    return levels.astype(np.uint8), scales.astype(np.float32)


def export_onnx(model: Llama, path: Path) -> None:
    """Write the graph with its weights as one file."""
    graph = _Graph(model)
    proto = helper.make_model(
        graph.build(),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=10,
        producer_name="passformer",
    )
    temporary = path.with_name(f".{path.name}.tmp")
    onnx.save(proto, str(temporary))
    temporary.rename(path)


class _Graph:
    def __init__(self, model: Llama) -> None:
        self._config = model.config
        self._weights = {name: t.detach().float().numpy() for name, t in model.state_dict().items()}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def build(self) -> onnx.GraphProto:
        """The whole graph."""
        config = self._config
        before, after = ([1, config.num_kv_heads, length, config.head_dim] for length in ("S", "S+T"))
        inputs = [helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, "T"])]
        outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, config.vocab_size])]
        self._lengths()
        x = self._embed()
        for i in range(config.num_layers):
            for kind in ("key", "value"):
                inputs.append(helper.make_tensor_value_info(f"past_{kind}_{i}", TensorProto.FLOAT, before))
                outputs.append(helper.make_tensor_value_info(f"{kind}_{i}", TensorProto.FLOAT, after))
            x = self._layer(x, i)
        last = self._node("Gather", [x, self._constant("last", np.array(-1, dtype=np.int64))], axis=1)
        hidden = self._norm(last, "model.norm.weight")
        self._matmul(hidden, "lm_head.weight", "logits")
        return helper.make_graph(self._nodes, "passformer", inputs, outputs, self._constants)

    def _lengths(self) -> None:
        """What attention wants to know: S + T, and the index of the last token; and the tables of angles."""
        past = self._node("Shape", ["past_key_0"], start=2, end=3)
        new = self._node("Shape", ["tokens"], start=1, end=2)
        total = self._node("Cast", [self._node("Add", [past, new])], to=TensorProto.INT32)
        self._total = self._node("Squeeze", [total])
        self._last = self._node("Sub", [total, self._constant("one", np.array([1], dtype=np.int32))])
        import torch

        positions = torch.arange(2 * self._config.context)
        cos, sin = rotary(positions, self._config.head_dim, self._config.rope_base)
        half = self._config.head_dim // 2
        self._cos = self._constant("cos", cos[:, :half].numpy())
        self._sin = self._constant("sin", sin[:, :half].numpy())

    def _embed(self) -> str:
        levels, scales = quantize(self._weights["model.embed_tokens.weight"])
        rows = self._node("Gather", [self._constant("embedding", levels), "tokens"])
        factors = self._node("Gather", [self._constant("embedding_scales", scales[:, :, None]), "tokens"])
        shifted = self._node(
            "Sub", [self._node("Cast", [rows], to=TensorProto.FLOAT), self._constant("zero", np.float32(128))]
        )
        blocks = self._node("Mul", [shifted, factors])
        shape = self._constant("width", np.array([0, 0, self._config.dim], dtype=np.int64))
        return self._node("Reshape", [blocks, shape])

    def _layer(self, x: str, i: int) -> str:
        prefix = f"model.layers.{i}"
        normed = self._norm(x, f"{prefix}.input_layernorm.weight")
        q, k, v = (self._matmul(normed, f"{prefix}.self_attn.{name}_proj.weight") for name in "qkv")
        attended = f"attended_{i}"
        self._nodes.append(
            helper.make_node(
                "GroupQueryAttention",
                [q, k, v, f"past_key_{i}", f"past_value_{i}", self._last, self._total, self._cos, self._sin],
                [attended, f"key_{i}", f"value_{i}"],
                domain=MICROSOFT,
                num_heads=self._config.num_heads,
                kv_num_heads=self._config.num_kv_heads,
                do_rotary=1,
                rotary_interleaved=0,
            )
        )
        x = self._node("Add", [x, self._matmul(attended, f"{prefix}.self_attn.o_proj.weight")])
        normed = self._norm(x, f"{prefix}.post_attention_layernorm.weight")
        gate, up = (self._matmul(normed, f"{prefix}.mlp.{name}_proj.weight") for name in ("gate", "up"))
        active = self._node("Mul", [gate, self._node("Sigmoid", [gate])])
        down = self._matmul(self._node("Mul", [active, up]), f"{prefix}.mlp.down_proj.weight")
        return self._node("Add", [x, down])

    def _norm(self, x: str, weight: str) -> str:
        scale = self._constant(weight, self._weights[weight])
        return self._node(
            "SimplifiedLayerNormalization", [x, scale], axis=-1, epsilon=self._config.norm_eps, stash_type=1
        )

    def _matmul(self, x: str, weight: str, output: str | None = None) -> str:
        """x (..., D) times the transposed weight (N, D)."""
        levels, scales = quantize(self._weights[weight])
        rows, columns = self._weights[weight].shape
        output = output or f"{weight}.out"
        self._nodes.append(
            helper.make_node(
                "MatMulNBits",
                [x, self._constant(weight, levels), self._constant(f"{weight}.scales", scales.reshape(-1))],
                [output],
                domain=MICROSOFT,
                K=columns,
                N=rows,
                bits=8,
                block_size=BLOCK,
                accuracy_level=_INT8_ARITHMETIC,
            )
        )
        return output

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        output = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _constant(self, name: str, value: npt.NDArray[np.generic] | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name))
        return name
