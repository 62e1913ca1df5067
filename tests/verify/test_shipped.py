"""What ships was run: every list, on thousands of programs, without a difference."""

from importlib import resources
from pathlib import Path

import pytest

from passformer.autotune.coreset import load_coreset
from passformer.autotune.verified import read_record, record_beside
from passformer.llvm.passlist import PassList
from passformer.methods.method import lowered

FOLDER = Path(str(resources.files("passformer.autotune").joinpath("coresets")))


@pytest.mark.parametrize("coreset", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_list_has_run(coreset):
    record = read_record(record_beside(coreset))
    for pass_list in load_coreset(coreset).pass_lists:
        run = (
            PassList(("Oz", *pass_list.names)) if coreset.stem == "functions" else pass_list
        )  # after -Oz, as builds do
        assert record.admits(run) or record.admits(lowered(run)), run
        assert record.entries.get(run, record.entries.get(lowered(run))).programs >= 3000
