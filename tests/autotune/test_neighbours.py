"""The order of lists for a module: that of the modules that are like it."""

import numpy as np
import pytest

from passformer.autotune.coreset import shipped_coreset
from passformer.autotune.neighbours import (
    Neighbours,
    count_opcodes,
    neighbours_beside,
    read_neighbours,
    shipped_neighbours,
    write_neighbours,
)
from passformer.autotune.select import make_coreset
from passformer.autotune.tunings import read_tunings, to_matrix
from passformer.corpus.store import Corpus
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList

A, B, C = (PassList.parse(text) for text in ("-sroa", "-gvn", "-adce -Oz"))


@pytest.fixture
def two_kinds() -> Neighbours:
    """Modules full of calls, on which B is best and C nearly so, and modules full of loads, on which A is."""
    calls = [[100 + i, 3, i] for i in range(8)]
    loads = [[3, 100 + i, i] for i in range(8)]
    saved = [[0, 20, 19]] * 7 + [[0, 0, 30]] + [[30, 0, 2]] * 8
    return Neighbours((A, B, C), np.array(calls + loads), np.full(16, 400), np.array(saved), np.array([1.0, 0.5, 1.0]))


def test_lists_come_in_the_order_of_modules_that_are_alike(two_kinds):
    assert two_kinds.rank([90, 2, 5]) == [C, B, A], "good on most, then what adds most to it"
    assert two_kinds.rank([2, 90, 5])[0] == A
    assert two_kinds.rank([90, 2, 5], thrifty=True) == [B, C, A], "nearly as good, at half the cost"
    assert sorted(map(str, two_kinds.rank([]))) == sorted(map(str, (A, B, C))), "LLVM could not say"


def test_files(two_kinds, tmp_path):
    path = neighbours_beside(tmp_path / "some.toml")
    write_neighbours(path, two_kinds)
    again = read_neighbours(path)
    assert again.pass_lists == two_kinds.pass_lists and again.rank([2, 90, 5]) == two_kinds.rank([2, 90, 5])
    assert all((getattr(again, n) == getattr(two_kinds, n)).all() for n in ("opcodes", "baseline", "saved", "cost"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"some\.neighbours\.npz holds no neighbours"):
        read_neighbours(path)


def test_they_are_written_beside_a_coreset(labelled, tmp_path, pool, sandbox):
    corpus, folder = Corpus(labelled), labelled / "tunings" / "default"
    result = make_coreset(corpus, folder, 3, tmp_path / "c.toml", pool=pool)
    found = read_neighbours(tmp_path / "c.neighbours.npz")
    assert [str(p) for p in found.pass_lists] == [row["pass_list"] for row in result["lists"]]
    functions = {f.id: f for f in corpus.functions()}
    matrix = to_matrix(read_tunings([folder]))
    assert len(found.baseline) == len(matrix.baseline) and found.baseline.sum() == matrix.baseline.sum()
    assert len(found.cost) == 3 and ((found.cost > 0) & (found.cost < 20)).all()
    total = found.baseline.sum()
    assert 100 * found.saved.max(axis=1).sum() / total == pytest.approx(result["improvement"], abs=1e-3)
    largest = max((f for f in functions.values() if f.id in set(matrix.function_ids)), key=lambda f: f.instructions)
    assert count_opcodes(largest.ir, sandbox) in found.opcodes.tolist()


def test_the_shipped_ones_are_of_the_shipped_lists():
    assert set(shipped_neighbours("text").pass_lists) == set(shipped_coreset("text").pass_lists)
