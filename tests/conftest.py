"""Fixtures that several test modules share: the real LLVM of this installation, and others where they are named."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from passformer.autotune.engine import local_engine
from passformer.autotune.labels import write_labels
from passformer.autotune.select import make_coreset
from passformer.autotune.tune import Settings as TuningSettings
from passformer.autotune.tune import autotune
from passformer.corpus.build import build_corpus
from passformer.corpus.store import Corpus
from passformer.dataset.examples import write_texts
from passformer.dataset.vocabulary import make_tokenizer
from passformer.llvm.locate import Toolchain, find_toolchain
from passformer.llvm.sandbox import Limits, Pool, Sandbox
from reference import PROGRAMS as PROGRAMS  # other test modules take it from here

OTHER_LLVMS = [folder for folder in os.environ.get("PASSFORMER_TEST_LLVM_DIRS", "").split(":") if folder]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool(2) as pool:
        yield pool


@pytest.fixture(scope="session")
def major() -> int:
    return find_toolchain().major


@pytest.fixture(params=["the usual", *OTHER_LLVMS])
def any_llvm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toolchain]:
    """The usual LLVM, then each prefix in PASSFORMER_TEST_LLVM_DIRS; use a sandbox of your own with it."""
    if request.param != "the usual":
        monkeypatch.setenv("PASSFORMER_LLVM", request.param)
    find_toolchain.cache_clear()
    yield find_toolchain()
    find_toolchain.cache_clear()


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """To set PASSFORMER_LLVM or PATH with; what was found before does not count, nor later what is found now."""
    find_toolchain.cache_clear()
    yield monkeypatch
    find_toolchain.cache_clear()


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory, pool: Pool) -> Path:
    """A corpus folder with functions in all splits, tuned a little, with labels.parquet."""
    root = tmp_path_factory.mktemp("labelled")
    for program in sorted(PROGRAMS.glob("*.c")):
        (root / "tree" / program.stem).mkdir(parents=True)
        shutil.copy(program, root / "tree" / program.stem)
    folder = root / "corpus"
    build_corpus([f"dir:{root / 'tree'}"], folder, pool)
    with local_engine(2, Limits(cpu_seconds=5)) as engine:
        autotune(Corpus(folder), folder / "tunings" / "default", engine, TuningSettings(8, 20, 60, seed=3))
    write_labels([folder / "tunings" / "default"], folder / "labels.parquet")
    return folder


@pytest.fixture(scope="session")
def dataset(labelled: Path, pool: Pool) -> Path:
    """The labelled corpus's folder with its dataset: texts, tokenizer.json and tokens."""
    write_texts(Corpus(labelled), labelled / "labels.parquet", labelled / "dataset", pool)
    make_tokenizer(labelled / "dataset", labelled / "labels.parquet", 1500, 10_000)
    return labelled / "dataset"


TINY = """
name = "tiny"
[model]
dim = 64
num_layers = 2
num_heads = 2
num_kv_heads = 1
hidden_dim = 128
context = 256
[data]
max_prompt = 96
max_ir = 32
pack_tokens = 256
[optim]
steps = 2
packs_per_step = 1
warmup_steps = 1
[run]
precision = "float32"
validate_every = 2
validate_functions = 2
generate_functions = 1
"""


@pytest.fixture(scope="session")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training run, made by the command."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.toml").write_text(TINY)
    command = [sys.executable, "-m", "passformer", "train", "--config", str(folder / "tiny.toml"), "--json"]
    command += ["--data", str(dataset.parent), "--out", str(folder / "run")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["steps"] == 2 and result["tokens"] == 512 and result["validation"]["functions"] == 2
    return folder / "run"


@pytest.fixture(scope="session")
def package(run: Path, labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime folder of that run: a model that knows next to nothing."""
    from passformer.train.export import export

    folder = tmp_path_factory.mktemp("package") / "runtime"
    sizes = export(run, folder, Corpus(labelled))
    assert sizes["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    return folder


@pytest.fixture(scope="session")
def agent(labelled: Path) -> Path:
    """A folder with an AutoPhase agent that was hardly trained, where it is looked for."""
    from passformer.baselines.autophase.training import Settings, train

    folder = labelled / "autophase"
    train(Corpus(labelled), folder, 8, Settings(validation_functions=2, rollout=8))
    return folder


@pytest.fixture(scope="session")
def coreset(labelled: Path) -> Path:
    """The file of a coreset chosen from the tunings."""
    file = labelled / "coreset.toml"
    make_coreset(Corpus(labelled), labelled / "tunings" / "default", 6, file)
    return file


@pytest.fixture(scope="session")
def network(labelled: Path, coreset: Path) -> Path:
    """A folder with a network of Coreset-NVP that was hardly trained, where it is looked for."""
    from passformer.baselines.coreset_nvp.training import Settings, train

    folder = labelled / "coreset-nvp"
    train(Corpus(labelled), folder, coreset, Settings(functions=20, epochs=1), jobs=2)
    return folder
