"""A byte-level BPE tokenizer for IR, lossless on any text.

Merges may cross the spaces inside a line, so that `= load i32, ptr` can be one token. Kept apart: each digit of a
number (so that counts can be learnt), and each numbered value `%12`, which is one token where it is frequent; not split
are the digits in names and types (`i32`) and those of alignments. Each pass name, with its dash, is one token; so is
what stands around a pass list, and each word of the lines of opcode counts. Whole pass lists may be added as tokens of
their own (the paper's section VI-C).
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from passformer.corpus.files import atomic
from passformer.dataset.opcodes import count_words
from passformer.dataset.prompt import AFTER_LIST, ANSWER, BEGIN, COUNTS, END, IR, OZ_IR
from passformer.llvm.catalog import catalog
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList

PAD = "<pad>"
SPECIAL = (PAD, END, IR, OZ_IR, ANSWER, COUNTS)
"""In the order of their ids, from 0."""
_PIECES = (
    r"%\d+"
    r"|\n"
    r"|(?<![A-Za-z_$.]|[A-Za-z_$.]\d|[A-Za-z_$.]\d\d|align |align \d)\d"
)


def pass_token(name: str) -> str:
    """The token of a pass: its name with the dash and the space that follow each other in a pass list."""
    return f" -{name}"


def pass_id(tokenizer: Tokenizer, name: str) -> int:
    """The token of a pass; raises ValueError where there is none."""
    token = tokenizer.token_to_id(pass_token(name))
    if token is None:
        raise ValueError(f"the tokenizer has no token for -{name}: it was made for another catalog")
    return int(token)


def train_tokenizer(texts: Iterable[str], vocab_size: int = 8192) -> Tokenizer:
    """A tokenizer trained on normal forms: `vocab_size` entries, and a token for each word of opcode counts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    words = [BEGIN, AFTER_LIST, *map(pass_token, catalog())]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(words),
        special_tokens=[AddedToken(text, special=True, normalized=False) for text in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in (*words, *count_words())])
    return tokenizer


def add_lists(tokenizer: Tokenizer, pass_lists: Iterable[PassList]) -> None:
    """Give each list of several passes a token of its own; ids of other tokens stay as they are."""
    texts = ["".join(map(pass_token, p.names)) for p in pass_lists if len(p) > 1]
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in texts])


def list_tokens(tokenizer: Tokenizer) -> dict[int, tuple[str, ...]]:
    """The tokens of whole lists, and the passes that they stand for."""
    mark = pass_token("")
    added = {token: word.content for token, word in tokenizer.get_added_tokens_decoder().items()}
    return {token: tuple(text.split(mark)[1:]) for token, text in added.items() if text.count(mark) > 1}


def encode_list(tokenizer: Tokenizer, pass_list: PassList) -> list[int]:
    """A token for the whole list where there is one, or one for each pass."""
    whole = tokenizer.token_to_id("".join(map(pass_token, pass_list.names)))
    return [whole] if whole is not None else [pass_id(tokenizer, name) for name in pass_list.names]


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """As one JSON file that appears whole or not at all."""
    with atomic(path) as temporary:
        tokenizer.save(str(temporary), pretty=False)


def load_tokenizer(path: Path) -> Tokenizer:
    """Raises InputError where the file is missing, damaged or of another kind."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more specific
        raise InputError(
            f"{path} is no tokenizer ({str(error)[:120]}): `passformer tokenizer train` makes one"
        ) from None
    if [tokenizer.token_to_id(text) for text in SPECIAL] != list(range(len(SPECIAL))):
        raise InputError(f"{path} is a tokenizer of something else than passformer's prompts")
    return tokenizer
