"""The agent learns what pays, plays within its steps, and its training goes on where it stopped."""

import json
import shutil
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
import torch

from passformer.baselines.autophase.agent import BEST, SETTINGS, Policy, explore, play, read_policy
from passformer.baselines.autophase.environment import EPISODE, PassOrder, actions
from passformer.baselines.autophase.inside import in_worker
from passformer.baselines.autophase.method import AutoPhase
from passformer.baselines.autophase.training import LATEST, PROGRESS, Settings, train
from passformer.corpus.store import Corpus
from passformer.evaluate import methods as evaluate_methods
from passformer.evaluate.methods import METHODS, Options, identity
from passformer.llvm.errors import CompilerError, InputError
from passformer.llvm.locate import DEFAULT_MAJOR
from passformer.llvm.measure import Subject, measurer
from passformer.llvm.passlist import OZ
from passformer.llvm.protocol import Protocol
from passformer.methods.method import Task, lowered
from passformer.methods.registry import make_method

ROLLOUT = 8
SMALL = Settings(validation_functions=2, rollout=ROLLOUT)


def fixed(passes: tuple[str, ...], *logits: float) -> Policy:
    """Has the same opinion of every function."""
    return Policy(passes, ((np.zeros((len(passes), 56), np.float32), np.array(logits, np.float32)),))


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


def test_the_policy_is_the_network_that_was_trained(agent, functions, sandbox):
    policy = read_policy(agent)
    observation, _ = PassOrder(functions, sandbox=sandbox).reset()
    weights = torch.load(agent / LATEST, weights_only=True)["policy"]
    state = torch.log1p(torch.from_numpy(observation).float())
    for layer in ("mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net"):
        state = weights[f"{layer}.weight"] @ state + weights[f"{layer}.bias"]
        state = state if layer == "action_net" else torch.tanh(state)
    assert policy.logits(observation) == pytest.approx(state.numpy(), abs=1e-5)
    assert len(policy.passes) == len(policy.logits(observation))


def test_passes_are_drawn_by_their_chances(functions, sandbox):
    policy = fixed(("dce", "Oz", "adce"), 0.0, 2.0, -9.0)
    env = PassOrder(functions, passes=policy.passes, sandbox=sandbox)
    drawn = np.concatenate([explore(policy, env, 0, EPISODE, seed).actions for seed in range(20)])
    share = np.exp(2) / (1 + np.exp(2))
    assert np.mean(drawn == 1) == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / len(drawn)))


def test_a_worker_alone_does_what_the_environment_does(agent, functions, sandbox):
    policy = read_policy(agent)
    env = PassOrder(functions, sandbox=sandbox)
    for function, ir in enumerate(functions):
        trace = explore(policy, env, function, EPISODE, 7)
        again = in_worker(sandbox, explore, policy, ir, Protocol.CLANG, EPISODE, 7)
        for ours, theirs in ((trace.observations, again.observations), (trace.rewards, again.rewards)):
            assert ours.tolist() == theirs.tolist()
        assert trace.over and again.over and trace.actions.tolist() == again.actions.tolist()
        part = in_worker(sandbox, explore, policy, ir, Protocol.CLANG, 5, 7)
        assert part.actions.tolist() == trace.actions[:5].tolist() and not part.over
        assert in_worker(sandbox, play, policy, ir, Protocol.CLANG, 9) == play(policy, env, function, 9)


def test_what_llvm_does_not_survive_is_learnt_from(functions, sandbox):
    deadly = fixed(("Oz", "sample-profile"), 1.0, 0.0)  # the second ends the process
    trace = in_worker(sandbox, explore, deadly, functions[0], Protocol.CLANG, EPISODE, 3)
    assert trace.over and trace.actions.tolist() == [0] * (len(trace.actions) - 1) + [1]
    assert 1 < len(trace.actions) < EPISODE and sum(trace.rewards) == 0, "what was saved is given back"
    played = in_worker(sandbox, play, deadly, functions[0], Protocol.CLANG, EPISODE)
    assert (played.pass_list, played.num_steps) == (OZ, 3), "-Oz again does nothing, and what is left is deadly"
    with pytest.raises(CompilerError, match="LLVM fails on function 0 before any pass was chosen: refused"):
        in_worker(sandbox, play, deadly, b"garbage", Protocol.CLANG, EPISODE)


def test_training_outlives_llvm(labelled, tmp_path, monkeypatch):
    """Episodes that end early are followed by others, so that there are as many steps to learn from."""
    names = (*actions(22)[:20], "sample-profile")
    monkeypatch.setattr("passformer.baselines.autophase.training.actions", lambda major: names)
    result = train(Corpus(labelled), tmp_path, 2, Settings(validation_functions=2, rollout=2), 2)
    assert result["episodes"] == 2 and (tmp_path / BEST).exists()


def test_what_pays_is_learnt(labelled, tmp_path, monkeypatch):
    names = ("reg2mem", "break-crit-edges", "Oz", "lcssa")
    for module in ("training", "agent"):
        monkeypatch.setattr(f"passformer.baselines.autophase.{module}.actions", lambda major: names)
    impatient = Settings(
        seed=3, validate_every=6 * ROLLOUT, validation_functions=2, rollout=ROLLOUT, learning_rate=3e-3, discount=0.5
    )  # what pays at once is best
    train(Corpus(labelled), tmp_path, 6 * ROLLOUT, impatient, 2)
    policy = read_policy(tmp_path)
    with closing(Recorder([f.ir for f in Corpus(labelled).functions(["test"])], passes=names)) as env:
        for function in range(5):
            play(policy, env, function, 1)
            assert names[env.steps[0][0]] == "Oz"


def test_training_goes_on(labelled, tmp_path):
    """To where it had come without a break, whatever the number of workers."""
    corpus = Corpus(labelled)
    often = Settings(validate_every=ROLLOUT, validation_functions=2, rollout=ROLLOUT)
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    first = train(corpus, broken, 1, often, 1)
    rows = json.loads((broken / PROGRESS).read_text())
    assert first["episodes"] == ROLLOUT and [row["episodes"] for row in rows] == [ROLLOUT]
    assert rows[0]["improvement"] >= max(0, rows[0]["alone"]) and first["best"] in rows
    unknown = {"episodes": 99 * ROLLOUT, "improvement": 100.0, "alone": 100.0}  # killed before the policy was written
    (broken / PROGRESS).write_text(json.dumps([*rows, unknown]))
    more = train(corpus, broken, 2 * ROLLOUT, often, 2)
    assert more["episodes"] == 2 * ROLLOUT
    train(corpus, whole, 2 * ROLLOUT, often, 2)
    for file in (PROGRESS, SETTINGS, BEST):
        assert (broken / file).read_bytes() == (whole / file).read_bytes()
    one, other = (torch.load(folder / LATEST, weights_only=True)["policy"] for folder in (broken, whole))
    assert all(torch.equal(one[name], other[name]) for name in one)
    latest = (broken / LATEST).read_bytes()
    assert train(corpus, broken, ROLLOUT, often)["best"] == more["best"]
    assert (broken / LATEST).read_bytes() == latest, "what is done is done"
    with pytest.raises(InputError, match="trained otherwise: choose another --out"):
        train(corpus, broken, ROLLOUT, Settings(seed=1))


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
    (other / SETTINGS).write_text(json.dumps(settings))
    whole = (other / BEST).read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK"):
        (other / BEST).write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged"):
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


def test_the_one_that_comes_along_is_small_and_answers(pool, major):
    if major != DEFAULT_MAJOR:
        pytest.skip("it was trained on another LLVM")
    folder = evaluate_methods.SHIPPED / "autophase"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1_000_000
    doubled = b"define i32 @f(i32 %x) minsize { %y = add i32 %x, %x\n %z = add i32 %x, %x\n ret i32 %z }"
    (proposal,) = make_method("autophase", Options(), METHODS).propose([Task(doubled, major)], EPISODE, pool)
    assert proposal.compilations == EPISODE and proposal.pass_lists[0].searched


def test_the_command_trains(labelled, tmp_path):
    command = [sys.executable, "-m", "passformer", "autophase", "train", str(labelled), "--out", str(tmp_path / "a")]
    done = subprocess.run([*command, "--episodes", "1", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["episodes"] >= 1 and result["steps_per_second"] > 0 and result["best"]["improvement"] >= 0
    assert {file.name for file in (tmp_path / "a").iterdir()} >= {BEST, LATEST, SETTINGS, PROGRESS}
