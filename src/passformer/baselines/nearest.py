"""The pass lists of the most similar training functions, by overlap of tokens: what can be had without learning."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from passformer.dataset.prompt import Form
from passformer.dataset.rows import Ids, TokenRow
from passformer.dataset.tokenizer import load_tokenizer
from passformer.dataset.tokens import read_tokens
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.methods.method import Proposal, Stopwatch, Task, available
from passformer.methods.model import views_of

_NEIGHBOURS = 200
"""Whose lists are gone through, the most similar function first."""


class Nearest:
    """Jaccard similarity of token sets: of the unoptimised code, with a budget also of the code after -Oz."""

    def __init__(self, training: Path | None) -> None:
        if training is None:
            raise InputError("nearest needs a corpus with a dataset to look things up in: --training DIR")
        folder = training / "dataset"
        self._tokenizer = load_tokenizer(folder / "tokenizer.json")
        self._rows = list(read_tokens(folder, "train"))
        self._size = self._tokenizer.get_vocab_size()
        self._sets: dict[Form, csr_matrix] = {}

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`."""
        form = Form.BOTH if budget > 0 else Form.PAPER
        if form not in self._sets:
            self._sets[form] = self._matrix([self._columns(row.unoptimised, row.after_oz, form) for row in self._rows])
        return pool.map(partial(self._propose_one, form, budget), tasks)

    def _propose_one(self, form: Form, budget: int, sandbox: Sandbox, task: Task) -> Proposal:
        watch = Stopwatch(sandbox)
        views = views_of(task, form is Form.BOTH, sandbox)
        if not views:
            return Proposal((OZ,), watch.cpu_seconds)
        largest = max(views, key=lambda view: view.instructions)
        asked = self._columns(self._ids(largest.unoptimised), self._ids(largest.after_oz), form)
        nearest = self._nearest(asked, form)
        if budget == 0:
            lists = [label_of(self._rows[nearest[0]])]
        else:
            ranked = (PassList.parse(text) for i in nearest for text, _ in self._rows[i].better[:1])
            more = (PassList.parse(text) for i in nearest for text, _ in self._rows[i].better[1:])
            lists = [p for p in dict.fromkeys((*ranked, *more)) if p != OZ and available(p, task.llvm)][:budget]
        return Proposal(tuple(lists) or (OZ,), watch.cpu_seconds)

    def _nearest(self, asked: npt.NDArray[np.int64], form: Form) -> list[int]:
        """Rows of train, the most similar first; of equals the earlier."""
        known = self._sets[form]
        query = self._matrix([asked])
        common = np.asarray((known @ query.T).todense()).ravel()
        similarity = common / np.maximum(np.diff(known.indptr) + len(asked) - common, 1)
        found: list[int] = np.lexsort((np.arange(len(similarity)), -similarity))[:_NEIGHBOURS].tolist()
        return found

    def _ids(self, text: str) -> Ids:
        return np.array(self._tokenizer.encode(text).ids, dtype=np.uint16)

    def _columns(self, unoptimised: Ids, after_oz: Ids, form: Form) -> npt.NDArray[np.int64]:
        """The set of tokens; those of the code after -Oz count apart."""
        first = np.unique(unoptimised).astype(np.int64)
        return (
            first if form is Form.PAPER else np.concatenate([first, np.unique(after_oz).astype(np.int64) + self._size])
        )

    def _matrix(self, sets: Sequence[npt.NDArray[np.int64]]) -> Any:
        """(sets, tokens) of ones."""
        starts = np.cumsum([0, *map(len, sets)])
        columns = np.concatenate(sets)
        return csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape=(len(sets), 2 * self._size))


def label_of(row: TokenRow) -> PassList:
    """The canonical label."""
    return PassList.parse(row.better[0][0]) if row.better else OZ
