"""The environment keeps to Gymnasium's rules, pays what was saved, and outlives what LLVM does."""

from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from passformer.baselines import ENVIRONMENT
from passformer.baselines.autophase.environment import EPISODE, PassOrder, actions
from passformer.baselines.autophase.features import FEATURES
from passformer.corpus.store import Corpus
from passformer.llvm.errors import CompilerError, InputError
from passformer.llvm.measure import Subject, measurer
from passformer.llvm.passlist import OZ
from passformer.methods.method import lowered

ROOT = Path(__file__).parents[3]
INLINED = b"""
define internal i32 @three() alwaysinline { ret i32 3 }
define i32 @f() minsize optsize {
  %a = call i32 @three()
  %b = call i32 @three()
  %c = add i32 %a, %b
  ret i32 %c
}
"""


@pytest.fixture(scope="module")
def functions(labelled):
    """Bitcode, the largest first."""
    return [f.ir for f in sorted(Corpus(labelled).functions(), key=lambda f: -f.instructions)]


@pytest.fixture(scope="module")
def env(functions):
    """Rewards are instructions."""
    env = PassOrder(functions, normalised=False)
    yield env
    env.close()


def act(env: PassOrder, *names: str):
    """What each step gives."""
    return [env.step(env.passes.index(name)) for name in names]


def random_actions(env: PassOrder, seed: int, number: int = EPISODE) -> list[int]:
    return np.random.default_rng(seed).integers(env.action_space.n, size=number).tolist()


def test_gymnasium_accepts_it(labelled):
    env = gymnasium.make(ENVIRONMENT, functions=labelled)
    check_env(env.unwrapped)
    assert env.observation_space.shape == (len(FEATURES),)
    env.close()


def test_it_needs_no_functions_to_be_tried():
    with closing(gymnasium.make(ENVIRONMENT)) as env:
        assert len(env.unwrapped.functions) > 20
        _, info = env.reset(seed=1)
        assert info["instructions"] > 0


def test_an_empty_split_is_no_environment():
    with pytest.raises(InputError, match="no functions to order passes on"):
        PassOrder([])


def test_rewards_sum_up_to_what_llvm_says_was_saved(env, functions, sandbox, major):
    for function in range(8):
        _, info = env.reset(options={"function": function})
        start = info["instructions"]
        steps = [env.step(action) for action in random_actions(env, function)]
        _, _, terminated, truncated, last = steps[-1]
        assert terminated and not truncated and not any(step[2] or step[3] for step in steps[:-1])
        pipelines = [OZ.pipeline(major), lowered(env.pass_list).pipeline(major)]
        oz, ours = sandbox.map(measurer, Subject(functions[function]), pipelines)
        assert (info["baseline"], last["instructions"]) == (oz.instructions, ours.instructions)
        assert sum(step[1] for step in steps) == start - ours.instructions
        assert len(env.pass_list) < EPISODE, "most passes change nothing, and are not in the list"
        with pytest.raises(ResetNeeded):
            env.step(0)


def test_what_oz_saves_is_one(functions):
    env = PassOrder(functions[:1])
    _, info = env.reset()
    ((_, one, *_),) = act(env, "Oz")
    assert one == 1 and info["instructions"] > info["baseline"]
    env.close()


def test_growth_costs_one_at_most():
    env = PassOrder([b"define i32 @f(i32 %x) minsize optsize {\n %y = add i32 %x, 1\n br label %b\nb:\n ret i32 %y\n}"])
    _, info = env.reset()
    grown, done = act(env, "reg2mem", "Oz")
    assert grown[4]["instructions"] > info["instructions"] + 1 == info["baseline"] + 2
    assert (grown[1], done[1]) == (-1, 2)
    env.close()


def test_a_level_is_taken_once(env):
    env.reset(options={"function": 0})
    first, between, again = act(env, "Oz", "reg2mem", "Oz")
    assert first[4]["changed"] and between[4]["changed"] and not again[4]["changed"]
    assert again[1] == 0 and (again[0] == between[0]).all() and str(env.pass_list) == "-Oz -reg2mem"


def test_the_same_actions_lead_to_the_same(env, functions):
    other = PassOrder(functions, normalised=False)
    for function in (0, 3):
        first, _ = env.reset(options={"function": function})
        again, _ = other.reset(options={"function": function})
        assert (first == again).all()
        for action in random_actions(env, 7):
            (one, reward, *rest), (two, same, *others) = env.step(action), other.step(action)
            assert (one == two).all() and reward == same and rest == others
    other.close()


def test_the_seed_draws_the_functions(env):
    drawn = [[env.reset(seed=5)[1]["function"], *(env.reset()[1]["function"] for _ in range(5))] for _ in range(2)]
    assert drawn[0] == drawn[1] and len(set(drawn[0])) > 1


def test_a_fork_goes_its_own_way(env):
    env.reset(seed=1, options={"function": 1})
    act(env, "sroa", "simplifycfg")
    standing = env.pass_list
    twin = env.fork()
    ours, theirs = act(env, "Oz")[0], act(twin, "reg2mem")[0]
    assert ours[4]["instructions"] < theirs[4]["instructions"]
    assert env.pass_list.names == (*standing.names, "Oz") and twin.pass_list.names == (*standing.names, "reg2mem")
    assert (act(twin, "Oz")[0][0] >= 0).all()
    twin.close()
    assert env.reset()[1]["function"] == twin.np_random.integers(len(env.functions)), "the same random numbers"


def test_what_llvm_does_not_survive_ends_the_episode_only(functions):
    env = PassOrder(functions, passes=("Oz", "function-import", "sample-profile"))  # the second aborts, the third exits
    for deadly, words in ((1, "SIGABRT"), (2, "exit status 1")):
        before, _ = env.reset(options={"function": 0})
        after, reward, *_ = env.step(0)
        observation, lost, terminated, truncated, info = env.step(deadly)
        assert truncated and not terminated and words in info["failure"]
        assert (observation == after).all() and reward == 1 and lost == -1 and str(env.pass_list) == "-Oz"
        with pytest.raises(ResetNeeded):
            env.step(0)
        assert (env.reset(options={"function": 0})[0] == before).all()
        assert env.step(deadly)[1] == 0, "there was nothing to give back"
    env.close()


def test_functions_that_llvm_refuses_are_drawn_again(functions):
    env = PassOrder([b"garbage", functions[0]])
    assert [env.reset(seed=seed)[1]["function"] for seed in range(5)] == [1] * 5
    with pytest.raises(CompilerError, match="LLVM fails on function 0 before any pass was chosen: refused: "):
        env.reset(options={"function": 0})
    env.close()
    env = PassOrder([b"garbage"])
    with pytest.raises(CompilerError):
        env.reset()
    env.close()


def test_what_every_list_must_do_is_done_at_the_beginning(major, sandbox):
    env = PassOrder([INLINED], normalised=False)
    _, info = env.reset()
    assert info["instructions"] == 2 and str(env.pass_list) == "-O0"
    act(env, "Oz")
    (result,) = sandbox.map(measurer, Subject(INLINED), [env.pass_list.pipeline(major)])
    assert result.instructions == 1
    env.close()


def test_actions_are_what_searches_may_use(major):
    assert "O0" not in actions(major) and {"Oz", "O3", "sroa", "instcombine"} <= set(actions(major))


def test_the_example_of_the_documentation(labelled, tmp_path, monkeypatch):
    code = (ROOT / "docs" / "baselines.md").read_text().partition("```python\n")[2].partition("```")[0]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "full").symlink_to(labelled)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["twin"].pass_list == names["env"].unwrapped.pass_list
    names["env"].close()
