"""A small corpus of our own programs, split into functions, for everything that tunes."""

from pathlib import Path

import pytest

from passformer.corpus.build import build_corpus
from passformer.corpus.store import Corpus, Function
from passformer.llvm.sandbox import Pool
from reference import PROGRAMS


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, pool: Pool) -> Corpus:
    folder = tmp_path_factory.mktemp("tuned") / "corpus"
    build_corpus([f"dir:{PROGRAMS}"], folder, pool)
    return Corpus(Path(folder))


@pytest.fixture(scope="session")
def functions(corpus: Corpus) -> list[Function]:
    return sorted(corpus.functions(), key=lambda f: f.id)
