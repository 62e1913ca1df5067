"""Training learns what pays, goes on after kill -9 with the same result, and refuses what does not fit."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn.functional import cross_entropy
from typer.testing import CliRunner

from passformer.autotune.coreset import load_coreset
from passformer.autotune.tunings import LOST, best_of, iterate, read_tunings
from passformer.baselines.coreset_nvp.graph import Kind, program_graph
from passformer.baselines.coreset_nvp.ranker import BEST, SETTINGS, VOCABULARY, read_ranker, read_tensors
from passformer.baselines.coreset_nvp.samples import Samples, make_graphs, make_samples, read_samples, read_truths
from passformer.baselines.coreset_nvp.training import LATEST, METRICS, SAMPLES, Settings, train
from passformer.baselines.coreset_nvp.values import Truth, judge, targets
from passformer.cli import app
from passformer.corpus.store import Corpus, draw_order
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ

SMALL = Settings(functions=20, epochs=12)


class Killed(Exception):
    """Raised in the midst of an epoch."""


def rows(folder):
    return json.loads((folder / METRICS).read_text()) if (folder / METRICS).exists() else []


@pytest.fixture(scope="module")
def unbroken(labelled, coreset, tmp_path_factory):
    """Trained in one go with one thread, as all that is compared with it."""
    folder = tmp_path_factory.mktemp("unbroken")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    result = train(Corpus(labelled), folder, coreset, SMALL, jobs=1)
    assert result["functions"] == SMALL.functions and result["epochs"] == SMALL.epochs == len(rows(folder))
    assert result["best"] in rows(folder) and result["functions_per_second"] > 0
    yield folder
    torch.set_num_threads(threads)


def test_the_truth_is_what_tuning_found(labelled, coreset, pool):
    corpus, chosen = Corpus(labelled), load_coreset(coreset)
    truths = read_truths(corpus, chosen, {"train": 9, "validation": 1000})
    table = read_tunings([labelled / "tunings" / "default"])
    found = {(t.function_id, t.pass_list): t.count for t in iterate(table)}
    for split, number in (("train", 9), ("validation", len(list(corpus.functions(["validation"]))))):
        functions = sorted(corpus.functions([split]), key=lambda f: draw_order(f.id))[:number]
        truth = truths[split]
        assert truth.pass_lists == (OZ, *chosen.pass_lists) and truth.function_ids == tuple(f.id for f in functions)
        for function, counts, best in zip(functions, truth.counts, truth.best, strict=True):
            assert counts.tolist() == [found.get((function.id, p), LOST) for p in truth.pass_lists]
            assert best == best_of(table)[function.id].count <= min(counts)
        graphs = make_graphs(corpus, set(truth.function_ids), pool)
        sizes = {id_: (graph.node_kinds == Kind.INSTRUCTION).sum() for id_, graph in graphs.items()}
        assert sizes == {f.id: f.instructions for f in functions}


def test_what_pays_is_learnt(labelled, coreset, sandbox, tmp_path, monkeypatch):
    """A list for programs that multiply, another for those that divide, -Oz for others; sizes say nothing."""
    lists = (OZ, *load_coreset(coreset).pass_lists[:2])
    counts = {"mul": [100, 80, 130], "sdiv": [100, 120, 90], "xor": [100, 101, 140]}
    bodies = [(op, "".join(f"  %v{i} = {op} i32 %x, {i}\n" for i in range(n))) for op in counts for n in range(1, 8)]
    texts = [f"define i32 @f(i32 %x) {{\n{body}  ret i32 %x\n}}" for _, body in bodies]
    graphs = {text: sandbox.call(program_graph, text.encode()) for text in texts}
    found = np.array([counts[op] for op, _ in bodies])
    truth = Truth(tuple(texts), lists, found, found.min(axis=1))
    training = "passformer.baselines.coreset_nvp.training."
    samples = Samples(truth, tuple(graphs[text] for text in texts))
    monkeypatch.setattr(training + "read_samples", lambda *_: {"train": samples, "validation": samples})
    train(Corpus(labelled), tmp_path, coreset, Settings(epochs=30), jobs=1)
    last = rows(tmp_path)[-1]
    assert last["train_loss"] < 0.1 and last["loss"] < 0.1
    assert last["one_shot"] == pytest.approx(10) and last["capture"] == 100


def same_training(one, other):
    first, second = read_tensors(one / BEST), read_tensors(other / BEST)
    assert all(torch.equal(first[name], second[name]) for name in first)
    return rows(one) == rows(other) and (one / VOCABULARY).read_text() == (other / VOCABULARY).read_text()


def test_stopped_in_the_midst_of_an_epoch_it_goes_on_to_the_same_end(labelled, coreset, unbroken, tmp_path):
    def stop(step, done, total):
        if step.startswith("training") and done == 7:
            raise Killed

    with pytest.raises(Killed):
        train(Corpus(labelled), tmp_path, coreset, SMALL, 1, stop)
    assert len(rows(tmp_path)) == 6
    train(Corpus(labelled), tmp_path, coreset, SMALL, 1)
    assert same_training(tmp_path, unbroken)
    latest = (tmp_path / LATEST).read_bytes()
    assert train(Corpus(labelled), tmp_path, coreset, SMALL, 1)["best"] in rows(tmp_path)
    assert (tmp_path / LATEST).read_bytes() == latest, "what is done is done"


def test_samples_are_kept_as_they_were_made(labelled, coreset, unbroken, pool):
    truths = read_truths(Corpus(labelled), load_coreset(coreset), {"train": 20, "validation": 2000})
    made = make_samples(Corpus(labelled), truths, pool)
    made_of = json.loads(pq.read_schema(unbroken / SAMPLES).metadata[b"made_of"])
    read = read_samples(unbroken / SAMPLES, made_of)
    assert read is not None and read.keys() == made.keys()
    for split, samples in made.items():
        found = read[split]
        assert found.truth.function_ids == samples.truth.function_ids
        assert found.truth.pass_lists == samples.truth.pass_lists
        assert np.array_equal(found.truth.counts, samples.truth.counts)
        assert np.array_equal(found.truth.best, samples.truth.best)
        for one, other in zip(found.graphs, samples.graphs, strict=True):
            words = [[graph.texts[i] for i in graph.node_texts] for graph in (one, other)]
            assert words[0] == words[1] and set(one.texts) == set(other.texts)
            for part in ("node_kinds", "edges", "flows", "positions"):
                assert np.array_equal(getattr(one, part), getattr(other, part))
    assert read_samples(unbroken / SAMPLES, {**made_of, "functions": 21}) is None
    assert read_samples(unbroken / "none.parquet", made_of) is None


def test_with_samples_neither_functions_nor_tunings_are_needed(labelled, coreset, unbroken, tmp_path):
    corpus, folder = tmp_path / "corpus", tmp_path / "network"
    for source, target in ((labelled / "corpus.json", corpus), (unbroken / SAMPLES, folder)):
        target.mkdir()
        shutil.copy(source, target)
    train(Corpus(corpus), folder, coreset, SMALL, 1)
    assert same_training(folder, unbroken)


def test_a_network_is_as_large_as_asked_for_and_judged_as_it_is_kept(labelled, coreset, unbroken, tmp_path):
    train(Corpus(labelled), tmp_path, coreset, dataclasses.replace(SMALL, width=32, blocks=2, batch=7, epochs=2), 1)
    ranker, usual = read_ranker(tmp_path), read_ranker(unbroken)
    assert sum(t.numel() for t in ranker.network.parameters()) < sum(t.numel() for t in usual.network.parameters()) / 3
    assert {t.dtype for t in read_tensors(tmp_path / BEST).values()} == {torch.float16}
    for folder, found in ((tmp_path, ranker), (unbroken, usual)):
        made_of = json.loads(pq.read_schema(folder / SAMPLES).metadata[b"made_of"])
        validation = read_samples(folder / SAMPLES, made_of)["validation"]
        predicted = found.predict(validation.graphs)
        loss = cross_entropy(torch.from_numpy(predicted), torch.from_numpy(targets(validation.truth.counts))).item()
        best = max(rows(folder), key=lambda row: (row["improvement"], -row["loss"]))
        assert {"loss": round(loss, 4), **judge(validation.truth, predicted)}.items() <= best.items()
    with pytest.raises(InputError, match="of 4 heads cannot be 30 wide"):
        train(Corpus(labelled), tmp_path / "odd", coreset, Settings(width=30))
    assert not (tmp_path / "odd").exists()


def test_the_command_goes_on_after_kill_9(labelled, coreset, unbroken, tmp_path):
    out = tmp_path / "network"
    command = [sys.executable, "-m", "passformer", "coreset-nvp", "train", str(labelled), "--coreset", str(coreset)]
    command += ["--functions", str(SMALL.functions), "--epochs", str(SMALL.epochs), "--out", str(out), "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    job = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    while not rows(out):
        assert job.poll() is None, job.stderr.read()
        time.sleep(0.005)
    os.killpg(job.pid, signal.SIGKILL)
    job.communicate()
    assert 1 <= len(rows(out)) < SMALL.epochs
    done = CliRunner().invoke(app, command[3:])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["best"] in rows(out) and same_training(out, unbroken)


def test_the_epoch_that_saves_most_is_kept(labelled, coreset, tmp_path, monkeypatch):
    saved = iter([1.0, 3.0, 3.0, 3.0, 2.0])
    losses = iter([1.0, 1.5, 1.4, 1.4, 0.1])
    judged = [{"loss": loss, "improvement": gain} for loss, gain in zip(losses, saved, strict=True)]
    seen = iter(judged)
    states = []

    def judge_as_told(self):
        states.append({name: tensor.clone() for name, tensor in self._ranker.network.state_dict().items()})
        return next(seen)

    monkeypatch.setattr("passformer.baselines.coreset_nvp.training._Training._judged", judge_as_told)
    result = train(Corpus(labelled), tmp_path, coreset, Settings(functions=5, epochs=5), 1)
    assert result["best"]["epoch"] == 3, "of what saves the same, the lower loss; of the same loss, the first"
    best = read_tensors(tmp_path / BEST)
    assert best.keys() == states[2].keys()
    assert all(torch.equal(best[name], states[2][name].half()) for name in best), "as it was judged, in 16 bits"


def test_other_settings_or_inputs_are_refused(labelled, coreset, unbroken, tmp_path):
    corpus = Corpus(labelled)
    with pytest.raises(InputError, match="trained otherwise: choose another --out"):
        train(corpus, unbroken, coreset, Settings(functions=20, epochs=12, seed=1))
    foreign = tmp_path / "foreign.toml"
    foreign.write_text(coreset.read_text().replace('pass_list = "', 'pass_list = "-gvn -gvn -gvn ', 1))
    with pytest.raises(InputError, match=r"no counts of -gvn -gvn -gvn .*that `passformer coreset` has chosen"):
        train(corpus, tmp_path / "a", foreign, SMALL)
    assert not (tmp_path / "a" / SETTINGS).exists(), "the folder is free for another"
    untuned = tmp_path / "untuned"
    untuned.mkdir()
    for file in [labelled / "corpus.json", *labelled.glob("functions-*.parquet")]:
        (untuned / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="no finished tunings: run `passformer autotune`"):
        train(Corpus(untuned), tmp_path / "b", coreset, SMALL)
    (tmp_path / "c").mkdir()
    for file in (SETTINGS, VOCABULARY, LATEST):
        (tmp_path / "c" / file).write_bytes((unbroken / file).read_bytes()[: 2000 if file == LATEST else None])
    with pytest.raises(InputError, match=r"latest.pt is damaged .* remove it to train from the start"):
        train(corpus, tmp_path / "c", coreset, SMALL, 1)
