"""The corpus on disk: whole, or an error that names what is wrong."""

import json
import resource
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from passformer.corpus import store
from passformer.corpus.store import SCHEMA, Corpus, Function, read_table, write_corpus, write_table
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.protocol import Protocol

FUNCTIONS = [
    Function(f"{i:032x}", "dir", f"g{i % 3}", ("train", "validation", "test")[i % 3], f"f{i}", b"BC\xc0\xde" * i, i)
    for i in range(10)
]


def manifest() -> dict[str, str]:
    return {"llvm": f"{find_toolchain().major}.1.0", "protocol": "paper"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A corpus of three shards."""
    monkeypatch.setattr(store, "ROWS_PER_SHARD", 4)
    write_corpus(tmp_path, FUNCTIONS, manifest())
    return tmp_path


def test_functions_come_back_in_order(folder):
    corpus = Corpus(folder)
    assert list(corpus.functions()) == FUNCTIONS and corpus.protocol is Protocol.PAPER
    assert [f.name for f in corpus.functions(["test"])] == ["f2", "f5", "f8"]
    assert corpus.columns(["name", "instructions"]).to_pylist()[9] == {"name": "f9", "instructions": 9}
    assert sorted(p.name for p in folder.iterdir()) == [
        "corpus.json",
        *(f"functions-0000{number}.parquet" for number in range(3)),
    ]


@pytest.mark.parametrize("kept", [0, 8, 0.5, -1])
def test_a_truncated_shard_is_named(folder, kept):
    shard = folder / "functions-00001.parquet"
    data = shard.read_bytes()
    shard.write_bytes(data[: int(len(data) * kept) if isinstance(kept, float) else kept])
    for use in (lambda: list(Corpus(folder).functions()), lambda: Corpus(folder).columns(["id"])):
        with pytest.raises(InputError, match=rf"{shard} is missing or damaged") as caught:
            use()
        assert "\n" not in str(caught.value)


def test_a_missing_shard_or_one_of_another_kind_is_named(folder):
    shard = folder / "functions-00002.parquet"
    pq.write_table(pa.table({"x": [1]}), shard)
    with pytest.raises(InputError, match=f"{shard}"):
        list(Corpus(folder).functions())
    shard.unlink()
    with pytest.raises(InputError, match=f"{shard} is missing"):
        list(Corpus(folder).functions())


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"llvm": null}', "\xff", "llvm", "protocol", "shards"])
def test_a_damaged_manifest_is_named(folder, text):
    file = folder / "corpus.json"
    whole = json.loads(file.read_text())
    if text in whole:
        text = json.dumps({key: value for key, value in whole.items() if key != text})
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=rf"{file} is damaged") as caught:
        Corpus(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_manifest_is_no_corpus(folder):
    (folder / "corpus.json").unlink()
    with pytest.raises(InputError, match="is no corpus: `passformer corpus build"):
        Corpus(folder)


def test_a_corpus_of_another_llvm_is_refused(tmp_path):
    write_corpus(tmp_path, FUNCTIONS, {**manifest(), "llvm": "17.0.6"})
    with pytest.raises(InputError, match=r"was made by LLVM 17, and this is LLVM \d+"):
        Corpus(tmp_path)


@contextmanager
def full_disk(num_bytes: int):
    """No file may grow beyond so many bytes: what a full disk looks like to the writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    noise = bytes(range(256)) * 400
    table = pa.Table.from_pylist([{**_row(i), "ir": bytes(b ^ i for b in noise)} for i in range(9)], schema=SCHEMA)
    path = tmp_path / "functions.parquet"
    with full_disk(512), pytest.raises(InputError, match=f"{path}: cannot be written: ") as caught:
        write_table(path, table)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())
    write_table(path, table)
    with full_disk(512), pytest.raises(InputError):
        write_table(path, table.slice(0, 3))
    assert read_table(path).num_rows == 9 and list(tmp_path.iterdir()) == [path]


def test_a_corpus_without_room_has_no_manifest_and_no_partial_shard(tmp_path):
    with full_disk(512), pytest.raises(InputError, match="cannot be written"):
        write_corpus(tmp_path, FUNCTIONS, manifest())
    assert not list(tmp_path.iterdir())


def _row(number: int) -> dict[str, object]:
    return {"id": str(number), "source": "", "group": "", "split": "", "name": "", "ir": b"", "instructions": 0}
