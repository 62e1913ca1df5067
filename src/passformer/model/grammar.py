"""The grammar of pass lists for a tokenizer: which token is which pass, and what stands around them."""

from collections.abc import Collection

from tokenizers import Tokenizer

from passformer.dataset.prompt import AFTER_LIST, BEGIN
from passformer.dataset.tokenizer import list_tokens, pass_id
from passformer.model.decoding import Grammar


def grammar_of(tokenizer: Tokenizer, passes: Collection[str], metas: Collection[str]) -> Grammar:
    """For lists of `passes`; those that are also in `metas` may stand in a list once only.

    Raises ValueError where the tokenizer was made for another catalog.
    """
    ids: dict[int, tuple[str, ...]] = {pass_id(tokenizer, name): (name,) for name in passes}
    ids |= {token: names for token, names in list_tokens(tokenizer).items() if set(names) <= set(passes)}
    return Grammar(tuple(tokenizer.encode(BEGIN).ids), ids, frozenset(metas), tokenizer.encode(AFTER_LIST).ids[0])
