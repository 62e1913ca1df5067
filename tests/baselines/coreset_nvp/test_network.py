"""What the network sees of a program, and what it must not see: what else is in the batch."""

import dataclasses

import numpy as np
import pytest
import torch

from passformer.baselines.coreset_nvp.batch import encode
from passformer.baselines.coreset_nvp.graph import Flow, program_graph
from passformer.baselines.coreset_nvp.ranker import Ranker
from passformer.baselines.coreset_nvp.vocabulary import UNKNOWN, Vocabulary, learn_vocabulary
from passformer.llvm.passlist import OZ, PassList

LISTS = [OZ, PassList.parse("-sroa -Oz"), PassList.parse("-gvn")]
PROGRAM = """
define i32 @f(i1 %c, i32 %x, i32 %y) {
  br i1 %c, label %one, label %two
one:
  %d = sub i32 %x, %y
  %e = shl i32 %d, %x
  ret i32 %e
two:
  ret i32 %x
}
"""
CHANGES = {
    "opcode": ("sub i32", "sdiv i32"),
    "type": ("define i32", "define void"),
    "order of operands": ("%d, %x", "%x, %d"),
    "who uses what": ("shl i32 %d, %x", "shl i32 %d, %y"),
    "order of successors": ("label %one, label %two", "label %two, label %one"),
}


@pytest.fixture
def graph(sandbox):
    return lambda text: sandbox.call(program_graph, text.encode())


@pytest.fixture
def ranker(graph):
    torch.manual_seed(5)
    texts = learn_vocabulary([graph(_changed(name)) for name in CHANGES] + [graph(PROGRAM)], min_graphs=1)
    return Ranker.untrained(LISTS, texts, width=32, blocks=2)


def _changed(name):
    if name == "type":
        return (
            PROGRAM.replace("define i32", "define void").replace("ret i32 %e", "ret void").replace("i32 %x\n", "void\n")
        )
    return PROGRAM.replace(*CHANGES[name])


@pytest.mark.parametrize("change", CHANGES)
def test_programs_that_differ_look_different(change, graph, ranker):
    assert _changed(change) != PROGRAM
    before, after = ranker.predict([graph(PROGRAM), graph(_changed(change))])
    assert np.abs(before - after).max() > 1e-4


@pytest.mark.parametrize("part", ["node_texts", "node_kinds", "edges", "flows", "positions"])
def test_every_part_of_a_graph_counts(part, graph, ranker):
    whole = graph(PROGRAM)
    moved = {
        "node_texts": np.roll(whole.node_texts, 1),
        "node_kinds": np.roll(whole.node_kinds, 1),
        "edges": whole.edges[::-1],
        "flows": (whole.flows + 1) % len(Flow),
        "positions": whole.positions + 1,
    }
    before, after = ranker.predict([whole, dataclasses.replace(whole, **{part: moved[part]})])
    assert np.abs(before - after).max() > 1e-4


def test_names_are_not_seen(graph, ranker):
    before, after = ranker.predict([graph(PROGRAM), graph(PROGRAM.replace("%d", "%other").replace("@f", "@g"))])
    assert before == pytest.approx(after, abs=1e-6)


def test_a_prediction_does_not_depend_on_its_batch(graph, ranker, monkeypatch):
    texts = ["@a = global i32 1", PROGRAM, *(_changed(name) for name in CHANGES), "declare void @h()"]
    graphs = [graph(text) for text in texts]
    alone = np.concatenate([ranker.predict([g]) for g in graphs])
    assert alone.shape == (len(texts), len(LISTS)) and np.isfinite(alone).all()
    assert ranker.predict(graphs) == pytest.approx(alone, abs=1e-5)
    monkeypatch.setattr("passformer.baselines.coreset_nvp.ranker._EDGES_AT_ONCE", 2 * len(graphs[1].flows))
    assert ranker.predict(graphs) == pytest.approx(alone, abs=1e-5), "in several parts"


def test_a_batch_is_its_graphs_side_by_side(graph):
    one, two, none = graph(PROGRAM), graph("define void @g() {\n  ret void\n}"), graph("declare void @h()")
    vocabulary = learn_vocabulary([one, two], min_graphs=1)
    encoded = encode([none, one, two, two, one], vocabulary, torch.device("cpu"))
    batch = encoded.batch(torch.tensor([3, 0, 1]))
    size = len(one.node_texts)
    assert batch.num_graphs == 3 and batch.graph_of_node.tolist() == [0] + [2] * size
    assert batch.words.tolist() == [*vocabulary.encode(two), *vocabulary.encode(one)]
    assert (batch.edges - 1).tolist() == one.edges.tolist() and batch.graph_of_edge.tolist() == [2] * len(one.flows)
    assert batch.kinds.tolist()[1:] == one.node_kinds.tolist() and batch.flows.tolist() == one.flows.tolist()
    assert batch.positions.tolist() == one.positions.tolist()
    assert {tensor.dtype for tensor in (batch.words, batch.kinds, batch.edges, batch.flows)} == {torch.int64}
    twice = encoded.batch(torch.tensor([1, 4]))
    assert twice.words.tolist() == 2 * twice.words[:size].tolist()
    assert torch.equal(twice.edges[:, len(one.flows) :], twice.edges[:, : len(one.flows)] + size)


def test_the_vocabulary_knows_what_is_frequent(graph):
    graphs = [graph(PROGRAM), graph(PROGRAM), graph(_changed("opcode"))]
    vocabulary = learn_vocabulary(graphs, min_graphs=2)
    assert "sub i32" in vocabulary.texts and "sdiv i32" not in vocabulary.texts
    assert vocabulary.texts.index("shl i32") < vocabulary.texts.index("sub i32"), "the most frequent first"
    encoded = [vocabulary.encode(g).tolist() for g in graphs]
    assert encoded[0] == [vocabulary.texts.index(graphs[0].texts[t]) + 1 for t in graphs[0].node_texts]
    assert encoded[2][1] == UNKNOWN and UNKNOWN not in encoded[0]
    assert encoded[2][:1] + encoded[2][2:] == encoded[0][:1] + encoded[0][2:]
    assert len(vocabulary) == 1 + max(max(row) for row in encoded)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
