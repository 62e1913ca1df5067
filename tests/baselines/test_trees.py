"""Trees on opcode counts: the counts are right, and what can be seen in them is learnt."""

import numpy as np
import pytest

from passformer.autotune.labels import canonical_columns
from passformer.autotune.tunings import LOST, Matrix
from passformer.baselines.trees import features_of, fit_cautious_savings, fit_savings, fit_winners
from passformer.corpus.store import Corpus
from passformer.dataset.prompt import Form
from passformer.llvm.measure import opcode_counter
from passformer.llvm.passlist import OZ, PassList

IR = b"""
define i32 @f(i32 %x, ptr %p) {
  %a = add i32 %x, 1
  %b = add i32 %a, 2
  store i32 %b, ptr %p
  br label %end
end:
  %c = load i32, ptr %p
  %d = freeze i32 %c
  ret i32 %d
}
declare void @g()
define void @h() {
  call void @g()
  ret void
}
"""


def test_opcodes_are_counted_over_all_functions(sandbox):
    before, after = sandbox.map(opcode_counter, IR, ["", "function(instcombine<no-verify-fixpoint>)"])
    # LLVMOpcode: Ret 1, Br 2, Add 8, Load 27, Store 28, Call 45, Freeze 68
    assert {i: n for i, n in enumerate(before) if n} == {1: 2, 2: 1, 8: 2, 27: 1, 28: 1, 45: 1, 68: 1}
    assert after[8] == 1


def test_features_of_both_views(labelled, pool, major):
    functions = list(Corpus(labelled).functions())[:20]
    modules, oz = [f.ir for f in functions], OZ.pipeline(major)
    (paper, some), (both, more) = (features_of(modules, oz, form, pool) for form in (Form.PAPER, Form.BOTH))
    assert 0 < sum(some) < sum(more)
    assert both.shape == (20, 2 * paper.shape[1]) and (both[:, : paper.shape[1]] == paper).all()
    assert paper.sum(axis=1).tolist() == [f.instructions for f in functions]
    assert (both[:, paper.shape[1] :].sum(axis=1) < paper.sum(axis=1)).any()


@pytest.fixture(scope="module")
def learnable():
    """Features, what lists save by them, and the best list of each function."""
    rng = np.random.default_rng(0)
    features = rng.integers(0, 9, (600, 4)).astype(np.float32)
    gains = np.column_stack([3 * (features[:, 0] > 4) - 1, 2 * (features[:, 1] > 6) - 1, np.zeros(600)]).astype(int)
    baseline = np.full(600, 50)
    counts = baseline[:, None] - gains
    counts[:20, 2] = LOST
    lists = [PassList.parse(text) for text in ("-sroa -Oz", "-gvn -Oz", "-adce -Oz")]
    best = ["-sroa -Oz" if row[0] > 4 else "-gvn -Oz" if row[1] > 6 else "-Oz" for row in features]
    return Matrix([str(i) for i in range(600)], lists, baseline, counts), features, gains, best


def test_savings_are_learnt_and_oz_stands_where_they_end(learnable):
    matrix, features, gains, best = learnable
    trees = fit_savings(matrix, features)
    assert trees.predict(features)[:, 0] == pytest.approx(gains[:, 0], abs=0.3)
    ranked = trees.rank(features, 4)
    assert [str(r[0]) for r in ranked] == best and all(len(r) == 4 for r in ranked)
    assert trees.rank(features, 2) == [r[:2] for r in ranked]


def test_what_is_named_unverified_makes_few_functions_larger():
    """One feature says which functions a list helps for certain; on the others it helps many and harms some."""
    rng = np.random.default_rng(1)
    sure = rng.random(900) < 0.3
    gains = np.where(sure, 6, np.where(rng.random(900) < 0.7, 2, -2))[:, None]
    features = np.column_stack([sure, rng.integers(0, 3, 900)]).astype(np.float32)
    baseline = np.full(900, 50)
    matrix = Matrix([str(i) for i in range(900)], [PassList.parse("-gvn -Oz")], baseline, baseline[:, None] - gains)
    bold = [str(r[0]) for r in fit_savings(matrix, features).rank(features, 1)]
    assert set(bold) == {"-gvn -Oz"}, "on the average it saves everywhere"
    cautious = [str(r[0]) for r in fit_cautious_savings(matrix, features, np.arange(900) // 2).rank(features, 1)]
    assert [name != "-Oz" for name in cautious] == sure.tolist()
    alone = fit_cautious_savings(matrix, features, np.zeros(900, dtype=np.int64))
    assert alone.caution > 0, "a single group is judged by itself"


def test_winners_are_learnt(learnable):
    matrix, features, _, best = learnable
    ranked = fit_winners(matrix, features).rank(features, 2)
    wrong = [r for r, b in zip(ranked, best, strict=True) if b not in ("-Oz", str(r[0]))]
    assert len(wrong) <= 0.02 * len(best), "the best list is tried first"
    assert all(1 <= len(r) <= 2 and OZ not in r for r in ranked), "-Oz is run anyway"


def test_the_canonical_list_wins_most_and_minus_one_is_oz():
    lists = [PassList.parse(text) for text in ("-sroa -gvn -Oz", "-gvn -Oz", "-adce -Oz")]
    counts = np.array([[8, 8, 10], [8, 8, 9], [9, 7, 9], [LOST, 12, 10], [5, 9, 5]])
    matrix = Matrix(list("abcde"), lists, np.full(5, 10), counts)
    assert canonical_columns(matrix).tolist() == [1, 1, 1, -1, 0]
