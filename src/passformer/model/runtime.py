"""The model that users run: ONNX Runtime on one core, without torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from passformer.model.decoding import Logits


class OnnxModel:
    """An exported model behind the interface that decoding needs."""

    def __init__(self, path: Path, num_threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        pasts = [i for i in self._session.get_inputs() if i.name.startswith("past_")]
        self._names = [i.name for i in pasts]
        self._outputs = ["logits", *(name.removeprefix("past_") for name in self._names)]
        _, heads, _, size = pasts[0].shape
        self._empty = [np.zeros((1, heads, 0, size), dtype=np.float32)] * len(pasts)

    def start(self, tokens: Sequence[int]) -> tuple[Logits, Any]:
        """(logits (V,), state) after a prompt."""
        return self.follow(self._empty, tokens)

    def follow(self, state: Any, tokens: Sequence[int]) -> tuple[Logits, Any]:
        """(logits (V,), state) after more tokens."""
        inputs = {"tokens": np.array([list(tokens)], dtype=np.int64), **dict(zip(self._names, state, strict=True))}
        logits, *after = self._session.run(self._outputs, inputs)
        return logits[0], after
