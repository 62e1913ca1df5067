"""Files that appear whole or not at all."""

import pytest

from passformer.corpus.files import alone, atomic
from passformer.llvm.errors import InputError


def test_a_file_appears_at_the_end_of_the_block_with_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    with atomic(tmp_path / "file") as temporary:
        temporary.write_text("all of it")
        assert not (tmp_path / "file").exists() and temporary.parent == tmp_path
    assert (tmp_path / "file").read_text() == "all of it"
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("failure", "raised"),
    [(OSError(28, "No space left on device"), InputError), (KeyboardInterrupt(), KeyboardInterrupt)],
    ids=["disk", "ctrl-c"],
)
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path, failure, raised):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(raised), atomic(path) as temporary:
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "nowhere" / "file", tmp_path / "folder"):
        with pytest.raises(InputError, match=f"{path}: cannot be written"), atomic(path) as temporary:
            temporary.write_text("")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_two_processes_do_not_work_in_one_folder(tmp_path):
    complaint = pytest.raises(InputError, match="another process is at work there")
    with alone(tmp_path / "run"), complaint, alone(tmp_path / "run"):
        pass
    with alone(tmp_path / "run"):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"), alone(tmp_path / "file" / "run"):
        pass
