"""Coreset files: to text and back, what is shipped, what is damaged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passformer.autotune.coreset import Coreset, load_coreset, shipped_coreset
from passformer.llvm.catalog import catalog
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.protocol import Protocol

GOOD = Coreset(22, Protocol.PAPER, "text", 'by "hand"', (PassList.parse("-sroa -Oz"), OZ), (0.5, 1.25))
HEAD = 'llvm = 22\nprotocol = "clang"\nobjective = "text"\nmade_by = "me"\n'


@given(
    st.sampled_from(Protocol),
    st.text(),
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([n for n, p in catalog().items() if p.kind != "meta"])),
            st.floats(0, 100, allow_nan=False),
        ),
        min_size=1,
    ),
)
def test_text_round_trip(protocol, made_by, rows):
    lists = tuple(PassList(tuple(names)) for names, _ in rows)
    coreset = Coreset(22, protocol, "instructions", made_by, lists, tuple(improvement for _, improvement in rows))
    assert Coreset.from_toml(coreset.to_toml()) == coreset


def test_files(tmp_path):
    (tmp_path / "c.toml").write_text(GOOD.to_toml())
    assert load_coreset(tmp_path / "c.toml") == GOOD
    with pytest.raises(InputError, match="No such file"):
        load_coreset(tmp_path / "nothing.toml")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not = = toml",
        HEAD.encode(),
        f"{HEAD}lists = 3\n".encode(),
        f'{HEAD}[[lists]]\npass_list = "-sroa"\n'.encode(),
        f'{HEAD}[[lists]]\npass_list = "-nonsense"\nimprovement = 1.0\n'.encode(),
        f'{HEAD}[[lists]]\npass_list = "-sroa"\nimprovement = "much"\n'.encode(),
        f"{HEAD}[[lists]]\npass_list = 3\nimprovement = 1.0\n".encode(),
        HEAD.replace("clang", "gcc").encode() + b'[[lists]]\npass_list = "-sroa"\nimprovement = 1.0\n',
        b"\xff\xfe\x00",
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "damaged.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged\.toml is no coreset file") as caught:
        load_coreset(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("objective", ["instructions", "text"])
def test_what_is_shipped_may_be_used(objective, major):
    coreset = shipped_coreset(objective)
    assert coreset.pass_lists and OZ not in coreset.pass_lists
    assert len(set(coreset.pass_lists)) == len(coreset.pass_lists) == len(coreset.improvements)
    assert list(coreset.improvements) == sorted(coreset.improvements)
    for pass_list in coreset.pass_lists:
        assert pass_list.searched and all(p.available(coreset.llvm) for p in pass_list.passes)
