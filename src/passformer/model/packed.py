"""Attention within packs: each document by itself, and a branch of it as if it alone followed the trunk.

There are two ways to the same result. On processors documents are taken one by one: a mask over the whole would compute
what it hides. On GPUs one block-sparse kernel takes them all: thousands of small ones would spend the time on starting.

Shapes: B packs, T tokens of each, H heads, K heads of keys and values, E width of a head.
"""

from collections.abc import Sequence
from functools import cache, partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

Document = Sequence[int]
"""Lengths of a trunk and of branches behind it: a branch goes on from the trunk, and sees no other branch."""
Integers = npt.NDArray[np.int64]


class Span(NamedTuple):
    """A document in a packed sequence."""

    trunk: int
    """Its tokens."""
    branches: int
    """Tokens of all of them."""
    mask: Tensor | None
    """What branches see, (branch tokens, all tokens of the document); None where there are none."""


Packing = Sequence[Span] | BlockMask
"""What of a pack sees what, for `attend_packed`."""


class Places(NamedTuple):
    """Where each token of B * T stands."""

    document: Integers
    """Number of its document."""
    branch: Integers
    """Number of its branch in the document; 0 is the trunk."""
    position: Integers
    """In its document, as its branch sees it."""


def places_of(documents: Sequence[Document]) -> Places:
    """Of documents that lie behind each other."""
    lengths = np.fromiter(chain.from_iterable(documents), dtype=np.int64)
    parts = np.array([len(parts) for parts in documents])
    branch = np.concatenate([np.arange(number) for number in parts])
    trunk = np.repeat(np.array([parts[0] for parts in documents]), parts)
    begins = np.cumsum(lengths) - lengths - np.where(branch > 0, trunk, 0)
    document = np.repeat(np.repeat(np.arange(len(parts)), parts), lengths)
    return Places(document, np.repeat(branch, lengths), np.arange(lengths.sum()) - np.repeat(begins, lengths))


def packing_of(documents: Sequence[Document], places: Places, num_packs: int, device: torch.device) -> Packing:
    """Of the documents of all packs, one behind the other; for processors, all packs are one."""
    if device.type != "cuda":
        return [_span(document, device) for document in documents]
    document, branch = (torch.from_numpy(p.reshape(num_packs, -1)).to(device) for p in places[:2])
    return block_mask(document, branch)


def block_mask(document: Tensor, branch: Tensor) -> BlockMask:
    """(B, T) numbers of documents and branches -> which blocks of a pack are seen at all, and what is seen in them."""

    def sees(b: Tensor, _: Tensor, q: Tensor, k: Tensor) -> Tensor:
        is_before = (document[b, q] == document[b, k]) & (q >= k)
        return is_before & ((branch[b, k] == 0) | (branch[b, k] == branch[b, q]))

    num_packs, length = document.shape
    make = _compiled() if document.is_cuda else create_block_mask
    mask: BlockMask = make(sees, num_packs, None, length, length, device=document.device)
    return mask


def attend_packed(q: Tensor, k: Tensor, v: Tensor, packing: Packing) -> Tensor:
    """(B, H, T, E) over (B, K, T, E) -> (B, H, T, E). With a block mask it is a kernel where layers are compiled."""
    if isinstance(packing, BlockMask):
        out: Tensor = flex_attention(q, k, v, block_mask=packing, enable_gqa=q.shape[1] != k.shape[1])
        return out
    return _attend_spans(q, k, v, packing)


@cache
def _compiled() -> Any:
    """Uncompiled, it would write what every token sees of every other to memory."""
    return torch.compile(create_block_mask)


def _span(document: Document, device: torch.device) -> Span:
    trunk, *branches = document
    total, mask = sum(branches), None
    if branches:
        blocks = [torch.ones(length, length, dtype=torch.bool, device=device).tril() for length in branches]
        seen = torch.ones(total, trunk, dtype=torch.bool, device=device)
        mask = torch.cat([seen, torch.block_diag(*blocks).bool()], dim=1)  # type: ignore[no-untyped-call]
    return Span(trunk, total, mask)


def _attend_spans(q: Tensor, k: Tensor, v: Tensor, spans: Sequence[Span]) -> Tensor:
    """Each document by itself: its trunk, then all its branches.

    Tensors are split, not sliced: the gradient of a slice is as large as what it was cut from.
    """
    attend = partial(F.scaled_dot_product_attention, enable_gqa=q.shape[1] != k.shape[1])
    lengths = [span.trunk + span.branches for span in spans]
    documents = zip(*(torch.split(x, lengths, dim=2) for x in (q, k, v)), strict=True)
    out = []
    for span, (queries, keys, values) in zip(spans, documents, strict=True):
        if span.mask is None:
            out.append(attend(queries, keys, values, is_causal=True))
            continue
        parts = [torch.split(x, [span.trunk, span.branches], dim=2) for x in (queries, keys, values)]
        trunk_queries, trunk_keys, trunk_values = (trunk for trunk, _ in parts)
        out.append(attend(trunk_queries, trunk_keys, trunk_values, is_causal=True))
        out.append(attend(parts[0][1], keys, values, attn_mask=span.mask))
    return torch.cat(out, dim=2)
