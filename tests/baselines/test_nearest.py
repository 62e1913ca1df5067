"""The nearest function by tokens: a function of the training set is nearest to itself."""

import pytest

from passformer.baselines.nearest import Nearest, label_of
from passformer.corpus.store import Corpus
from passformer.dataset.tokens import read_tokens
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ
from passformer.methods.method import Task


def test_a_training_function_gets_its_own_label(labelled, dataset, pool, major):
    rows = {row.function_id: row for row in read_tokens(dataset, "train")}
    functions = [f for f in Corpus(labelled).functions(["train"]) if f.id in rows][:15]
    method = Nearest(labelled)
    tasks = [Task(f.ir, major) for f in functions]
    one_shot = [p.pass_lists for p in method.propose(tasks, 0, pool)]
    labels = [(label_of(rows[f.id]),) for f in functions]
    same = sum(a == b for a, b in zip(one_shot, labels, strict=True))
    assert same >= 13, "but for functions with the same set of tokens"
    assert any(label != (OZ,) for label in labels)
    for proposal in method.propose(tasks, 3, pool):
        assert 1 <= len(set(proposal.pass_lists)) == len(proposal.pass_lists) <= 3 and OZ not in proposal.pass_lists


def test_without_a_data_set_there_is_nothing_to_look_up(tmp_path):
    with pytest.raises(InputError, match="--training DIR"):
        Nearest(None)
    with pytest.raises(InputError):
        Nearest(tmp_path)
