"""What ships was run: every list, on thousands of programs, without a difference."""

from importlib import resources
from pathlib import Path

import pytest

from passformer.autotune.coreset import load_coreset
from passformer.autotune.verified import Entry, Verified, read_record, read_records, record_beside
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList
from passformer.methods.method import lowered
from passformer.model.package import SHIPPED, open_package

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


def test_several_records_are_one(tmp_path):
    def record(name, programs, rows, llvm="22.1.8"):
        entries = {PassList.parse(text): Entry(programs, 1, bad) for text, bad in rows.items()}
        (tmp_path / name).write_text(Verified(llvm, programs, {name: programs}, 0, entries).to_json())
        return tmp_path / name

    few, many = record("few", 3, {"-sroa": 1, "-gvn": 0}), record("many", 9, {"-sroa": 0, "-adce": 0})
    both = read_records([many, few])
    assert both.programs == 9 and both.by_source == {"many": 9}
    assert {str(p): (e.programs, e.admitted) for p, e in both.entries.items()} == {
        "-sroa": (3, False),
        "-adce": (9, True),
        "-gvn": (3, True),
    }
    assert read_records([few, many]).admits(PassList.parse("-sroa")), "what was run last counts"
    with pytest.raises(InputError, match=r"LLVM 21\.1\.0 and 22\.1\.8"):
        read_records([few, record("old", 3, {}, "21.1.0")])


def test_what_the_shipped_model_proposes_has_run():
    admitted = {
        p for file in FOLDER.glob("*.verified.json") for p, e in read_record(file).entries.items() if e.admitted
    }
    for near in open_package(SHIPPED).retrieval.values():
        for pass_list in map(PassList.parse, near.exemplars.lists):
            assert pass_list in admitted or lowered(pass_list) in admitted, pass_list
