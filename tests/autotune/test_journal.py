"""A journal survives whatever kills its writer."""

import pytest

from passformer.autotune.journal import Journal
from passformer.llvm.errors import InputError

RECORDS = [{"id": "a", "n": 1}, {"id": "b", "n": [2, None]}, {"id": "c", "n": 3}]


@pytest.fixture
def path(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    for record in RECORDS:
        journal.append(record)
    return journal.path


def test_what_was_written_is_read(path):
    journal = Journal(path)
    assert list(journal.records()) == RECORDS and journal.done == {"a", "b", "c"}


def test_a_line_torn_anywhere_is_dropped_and_written_anew(path):
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for lost in range(1, last + 1):
        path.write_bytes(whole[:-lost])
        journal = Journal(path)
        assert journal.done == {"a", "b"}
        journal.append(RECORDS[2])
        assert path.read_bytes() == whole


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        Journal(tmp_path / "no" / "journal").append(RECORDS[0])
    with pytest.raises(InputError, match="No space left"):
        Journal.append(_on_full_disk(tmp_path), RECORDS[0])


def _on_full_disk(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.path = type(tmp_path)("/dev/full")
    return journal
