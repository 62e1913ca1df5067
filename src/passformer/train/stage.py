"""The stage: train the model that names pass lists on a corpus's dataset, with validation by LLVM."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from passformer.corpus.files import atomic
from passformer.corpus.store import Corpus
from passformer.dataset.tokenizer import add_lists, load_tokenizer
from passformer.dataset.tokens import read_tokens
from passformer.llvm.passlist import PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool
from passformer.train.config import TrainConfig
from passformer.train.loop import Validate, train
from passformer.train.stream import PackStream
from passformer.train.validate import Validator


def train_on_corpus(
    config: TrainConfig, corpus_folder: Path, run: Path, jobs: int | None = None, report: Report = silent
) -> dict[str, Any]:
    """Train in `run` on `corpus_folder/dataset`, validating on the corpus's own functions."""
    corpus = Corpus(corpus_folder)
    with Pool(jobs) as pool:

        def validator(tokenizer: Tokenizer) -> Validate:
            return Validator(corpus, corpus_folder / "dataset", tokenizer, config, pool)

        result = train_on_tokens(config, corpus_folder / "dataset", run, validator, report)
    kept = ("llvm", "protocol", "functions", "by_source")
    with atomic(run / "source.json") as temporary:
        temporary.write_text(json.dumps({key: corpus.manifest[key] for key in kept}) + "\n")
    return result


def train_on_tokens(
    config: TrainConfig,
    data: Path,
    run: Path,
    validator: Callable[[Tokenizer], Validate] | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """Train in `run` on a folder that holds tokenizer.json and tokens-train.parquet."""
    tokenizer = load_tokenizer(data / "tokenizer.json")
    rows = list(read_tokens(data, "train"))
    best = Counter(row.better[0][0] for row in rows if row.better)
    most = sorted(best, key=lambda text: (-best[text], text))[: config.data.list_tokens]
    add_lists(tokenizer, map(PassList.parse, most))
    stream = PackStream(rows, tokenizer, config.data, config.run.seed)
    return train(config, tokenizer, stream, run, validator and validator(tokenizer), report)
