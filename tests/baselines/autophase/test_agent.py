"""The agent learns what pays, plays within its steps, and its training goes on where it stopped."""

import json
import shutil
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest

from passformer.baselines.autophase.agent import BEST, LATEST, SETTINGS, LogCounts, play, read_policy
from passformer.baselines.autophase.environment import EPISODE, PassOrder
from passformer.baselines.autophase.method import AutoPhase
from passformer.baselines.autophase.training import PROGRESS, Settings, train
from passformer.corpus.store import Corpus
from passformer.evaluate import methods as evaluate_methods
from passformer.evaluate.methods import METHODS, Options, identity
from passformer.llvm.errors import InputError
from passformer.llvm.measure import Subject, measurer
from passformer.llvm.passlist import OZ
from passformer.methods.method import Task, lowered
from passformer.methods.registry import make_method

SMALL = Settings(validation_functions=2, environments=2)
ROLLOUT = 2 * 4  # episodes that two environments play between updates


class Recorder(PassOrder):
    """Remembers its steps."""

    def reset(self, **arguments):
        self.steps = []
        return super().reset(**arguments)

    def step(self, action):
        result = super().step(action)
        self.steps.append((action, result[4]["changed"], result[4]["instructions"]))
        return result


@pytest.fixture(scope="module")
def functions(labelled):
    return [f.ir for f in sorted(Corpus(labelled).functions(["test"]), key=lambda f: -f.instructions)[:3]]


def test_an_episode_is_played_without_useless_repetitions(agent, functions, sandbox, major):
    policy = read_policy(agent)
    env = Recorder(functions, sandbox=sandbox)
    for function, ir in enumerate(functions):
        played = play(policy, env, function, EPISODE)
        assert played.num_steps == len(env.steps) == EPISODE
        since_change: set[int] = set()
        for action, changed, _ in env.steps:
            assert action not in since_change
            since_change = set() if changed else since_change | {action}
        assert played.instructions <= min(count for *_, count in env.steps)
        pipelines = [OZ.pipeline(major), lowered(played.pass_list).pipeline(major)]
        oz, ours = sandbox.map(measurer, Subject(ir), pipelines)
        assert (played.baseline, played.instructions) == (oz.instructions, ours.instructions)


def test_the_budget_is_the_number_of_compilations(agent, functions, pool, major):
    tasks = [Task(ir, major) for ir in functions] + [Task(b"garbage", major)]
    method = AutoPhase(agent)
    for budget, steps in ((1, 1), (7, 7), (60, EPISODE)):
        proposals = list(method.propose(tasks, budget, pool))
        assert [p.compilations for p in proposals] == [steps] * 3 + [0]
        assert all(len(p.pass_lists) == 1 and len(p.pass_lists[0]) <= steps + 1 for p in proposals)
        assert all(p.cpu_seconds > 0 and p.pass_lists[0].searched for p in proposals[:3])
    assert [p.pass_lists for p in method.propose(tasks, 0, pool)] == [(OZ,)] * 4


def test_counts_of_any_size_reach_the_network_as_logarithms(agent):
    extractor = read_policy(agent).features_extractor
    assert isinstance(extractor, LogCounts)
    import torch

    assert extractor(torch.tensor([0.0, np.e - 1])).tolist() == pytest.approx([0, 1])


def test_what_pays_is_learnt(labelled, tmp_path, monkeypatch):
    names = ("reg2mem", "break-crit-edges", "Oz", "lcssa")
    for module in ("environment", "training", "agent"):
        monkeypatch.setattr(f"passformer.baselines.autophase.{module}.actions", lambda major: names)
    impatient = Settings(3, 6 * ROLLOUT, 2, 2, learning_rate=3e-3, discount=0.5)  # what pays at once is best
    train(Corpus(labelled), tmp_path, 6 * ROLLOUT, impatient)
    policy = read_policy(tmp_path)
    with closing(Recorder([f.ir for f in Corpus(labelled).functions(["test"])])) as env:
        for function in range(5):
            play(policy, env, function, 1)
            assert names[env.steps[0][0]] == "Oz"


def test_training_goes_on(labelled, tmp_path):
    corpus = Corpus(labelled)
    first = train(corpus, tmp_path, ROLLOUT, SMALL)
    rows = json.loads((tmp_path / PROGRESS).read_text())
    assert first["episodes"] == ROLLOUT and [row["episodes"] for row in rows] == [ROLLOUT]
    assert rows[0]["improvement"] >= max(0, rows[0]["alone"]) and first["best"] in rows
    unknown = {"episodes": 99 * ROLLOUT, "improvement": 100.0, "alone": 100.0}  # killed before the policy was written
    (tmp_path / PROGRESS).write_text(json.dumps([*rows, unknown]))
    latest = (tmp_path / LATEST).read_bytes()
    more = train(corpus, tmp_path, 2 * ROLLOUT, SMALL)
    assert more["episodes"] == 2 * ROLLOUT and (tmp_path / LATEST).read_bytes() != latest
    again = json.loads((tmp_path / PROGRESS).read_text())
    assert again[0] == rows[0] and [row["episodes"] for row in again] == [ROLLOUT, 2 * ROLLOUT]
    latest = (tmp_path / LATEST).read_bytes()
    assert train(corpus, tmp_path, ROLLOUT, SMALL)["best"] == more["best"]
    assert (tmp_path / LATEST).read_bytes() == latest, "what is done is done"
    with pytest.raises(InputError, match="trained otherwise: choose another --out"):
        train(corpus, tmp_path, ROLLOUT, Settings(seed=1))


@pytest.fixture
def other(agent, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(agent, tmp_path / "other")


def test_an_agent_of_other_passes_another_llvm_or_none(other, tmp_path):
    settings = json.loads((other / SETTINGS).read_text())
    another = {**settings, "llvm": 10}, {**settings, "passes": settings["passes"][1:]}
    for text, complaint in (
        (json.dumps(another[0]), "was trained on LLVM 10, and this is LLVM"),
        (json.dumps(another[1]), "was trained with the passes of another catalog"),
        ("{", "is damaged"),
    ):
        (other / SETTINGS).write_text(text)
        with pytest.raises(InputError, match=f"{complaint}.*: `passformer autophase train DIR` makes one"):
            AutoPhase(other)
    with pytest.raises(InputError, match=r"holds no agent: `passformer autophase train DIR` makes one"):
        AutoPhase(tmp_path)


def test_an_agent_is_found_named_and_told_from_others(agent, labelled, other, tmp_path, monkeypatch):
    """The one that is named, then the corpus's own, then the one that comes along."""
    monkeypatch.setattr(evaluate_methods, "SHIPPED", tmp_path / "weights")
    own, named, neither = Options(training=labelled), Options(training=labelled, trained=other), Options()
    assert identity("autophase", own) == identity("autophase", named) != ""
    (other / BEST).write_bytes((other / BEST).read_bytes() + b" ")
    assert identity("autophase", own) != identity("autophase", named)
    for options in (own, named):
        assert isinstance(make_method("autophase", options, METHODS), AutoPhase)
    for options in (neither, Options(training=tmp_path)):
        with pytest.raises(InputError, match=r"weights/autophase holds no agent"):
            make_method("autophase", options, METHODS)
    shutil.copytree(agent, tmp_path / "weights" / "autophase")
    for options in (neither, Options(training=tmp_path)):
        assert isinstance(make_method("autophase", options, METHODS), AutoPhase)
        assert identity("autophase", options) == identity("autophase", own)


def test_the_command_trains(labelled, tmp_path):
    command = [sys.executable, "-m", "passformer", "autophase", "train", str(labelled), "--out", str(tmp_path / "a")]
    done = subprocess.run([*command, "--episodes", "1", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["episodes"] >= 1 and result["steps_per_second"] > 0 and result["best"]["improvement"] >= 0
    assert {file.name for file in (tmp_path / "a").iterdir()} >= {"best.zip", LATEST, SETTINGS, PROGRESS}
