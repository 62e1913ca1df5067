"""The grammar of pass lists for a tokenizer: which token is which pass, and what stands around them."""

from collections.abc import Collection

from tokenizers import Tokenizer

from passformer.dataset.prompt import AFTER_LIST, BEGIN
from passformer.dataset.tokenizer import pass_token
from passformer.model.decoding import Grammar


def grammar_of(tokenizer: Tokenizer, passes: Collection[str], metas: Collection[str]) -> Grammar:
    """For lists of `passes`; those that are also in `metas` may stand in a list once only."""
    ids: dict[int, str] = {}
    for name in passes:
        token = tokenizer.token_to_id(pass_token(name))
        if token is None:
            raise ValueError(f"the tokenizer has no token for -{name}: it was made for another catalog")
        ids[token] = name
    once = frozenset(token for token, name in ids.items() if name in metas)
    return Grammar(tuple(tokenizer.encode(BEGIN).ids), ids, once, tokenizer.encode(AFTER_LIST).ids[0])
