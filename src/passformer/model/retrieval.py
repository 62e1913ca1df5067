"""The training functions that are like one that a model is asked about, and say what lists save on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from passformer.dataset.prompt import Form
from passformer.model.embedding import Embedding, features_of
from passformer.model.exemplars import Exemplars

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Of prompts in one form."""

    embedding: Embedding
    exemplars: Exemplars
    """Their points are where the embedding puts them."""

    def posterior(self, chances: Mapping[str, float], codes: Sequence[str]) -> Floats:
        """(N,) how much each exemplar says of a function; `codes` are the normal forms that the prompt shows."""
        features = features_of(self.exemplars.chances(chances), codes)
        return self.exemplars.posterior(chances, self.embedding(features))


def write_retrieval(path: Path, retrieval: Mapping[Form, Retrieval]) -> None:
    """As one .npz file; the exemplars of all forms are the same functions, and differ in where they stand."""
    arrays: dict[str, Any] = {}
    for form, near in retrieval.items():
        shared = near.exemplars
        arrays[f"{form}.points"] = shared.points.astype(np.float16)
        arrays |= {f"{form}.{field.name}": getattr(near.embedding, field.name) for field in fields(Embedding)}
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            forms=list(map(str, retrieval)),
            answers=list(shared.answers),
            lists=list(shared.lists),
            shares=shared.shares,
            saved=shared.saved.astype(np.int8),
            **arrays,
        )


def read_retrieval(path: Path) -> dict[Form, Retrieval]:
    """Raises ValueError, KeyError or OSError where the file is damaged."""
    with np.load(path, allow_pickle=False) as data:
        answers, lists = (tuple(map(str, data[name])) for name in ("answers", "lists"))
        shares, saved = data["shares"], data["saved"].astype(np.float32)
        retrieval = {}
        for form in map(Form, data["forms"]):
            points = data[f"{form}.points"].astype(np.float32)
            embedding = Embedding(*(data[f"{form}.{field.name}"] for field in fields(Embedding)))
            retrieval[form] = Retrieval(embedding, Exemplars(answers, lists, shares, points, saved))
        return retrieval
