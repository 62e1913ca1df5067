"""Train the tokenizer on texts, measure it on texts that it has not seen, and write all texts as tokens."""

import random
from pathlib import Path
from typing import Any

from passformer.dataset.examples import read_texts
from passformer.dataset.tokenizer import save_tokenizer, train_tokenizer
from passformer.dataset.tokens import texts_for_tokenizer, write_tokens
from passformer.llvm.errors import InputError


def make_tokenizer(folder: Path, labels: Path, vocab_size: int, sample: int, seed: int = 0) -> dict[str, Any]:
    """`tokenizer.json` and `tokens-SPLIT.parquet` in the folder of texts; returns sizes.

    Trained on `sample` functions of train; `unseen_characters_per_token` is of the texts of the other splits.
    """
    texts = list(read_texts(folder, ["train"]))
    if not texts:
        raise InputError(f"{folder}: no function of train is there to train a tokenizer on")
    random.Random(f"tokenizer {seed}").shuffle(texts)
    tokenizer = train_tokenizer(texts_for_tokenizer(texts[:sample]), vocab_size)
    save_tokenizer(tokenizer, folder / "tokenizer.json")
    del texts
    totals = write_tokens(folder, labels, tokenizer, folder)
    characters = tokens = 0
    for text in read_texts(folder, ["validation", "test"]):
        parts = [text.unoptimised, text.after_oz]
        characters += sum(map(len, parts))
        tokens += sum(len(encoding.ids) for encoding in tokenizer.encode_batch(parts))
    return {
        "vocab_size": tokenizer.get_vocab_size(),
        "unseen_characters_per_token": round(characters / tokens, 3) if tokens else None,
        **totals,
        "file": str(folder / "tokenizer.json"),
    }
