"""The agent: a policy over passes, given the 56 counts. Training and the method play episodes by it.

Nothing here needs PyTorch: a policy is a few matrices, and most of its work is done in sandbox workers.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from passformer.baselines.autophase.environment import Counts, PassOrder, actions
from passformer.corpus.files import atomic
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import PassList

BEST, SETTINGS = "best.npz", "settings.json"
"""In an agent's folder: the policy that did best on validation functions, and how it was trained."""
_TRAIN = "`passformer autophase train DIR` makes one"
Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A network with tanh between its layers over log(1 + count).

    Of the logarithm: functions have from 1 to 10,000 instructions, and networks want neither.
    """

    passes: tuple[str, ...]
    """Names of what it chooses from."""
    layers: tuple[tuple[Array, Array], ...]
    """Weights (outputs, inputs) and biases (outputs,) of each layer; the last has an output a pass."""

    def logits(self, counts: Counts) -> Array:
        """(56,) counts -> (passes,): the higher, the more probable."""
        state: Array = np.log1p(counts, dtype=np.float32)
        for weights, biases in self.layers[:-1]:
            state = np.tanh(weights @ state + biases)
        weights, biases = self.layers[-1]
        return weights @ state + biases

    def write(self, file: Path) -> None:
        """As an archive of arrays that appears whole or not at all."""
        arrays: dict[str, Any] = {}
        for i, (weights, biases) in enumerate(self.layers):
            arrays |= {f"weights{i}": weights, f"biases{i}": biases}
        with atomic(file) as temporary, temporary.open("wb") as opened:
            np.savez(opened, **arrays)

    @classmethod
    def read(cls, file: Path, passes: tuple[str, ...]) -> "Policy":
        """What `write` wrote; raises ValueError for something else."""
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
                layers = range(len(arrays.files) // 2)
                return cls(passes, tuple((arrays[f"weights{i}"], arrays[f"biases{i}"]) for i in layers))
        except (zipfile.BadZipFile, EOFError, LookupError, AttributeError) as error:
            raise ValueError(error) from None


@dataclass(frozen=True, slots=True)
class Played:
    """What an agent made of one function."""

    pass_list: PassList
    """To the smallest state that it came by."""
    instructions: int
    """There."""
    baseline: int
    """Under -Oz."""
    num_steps: int


def play(policy: Policy, env: PassOrder, function: int, num_steps: int) -> Played:
    """Take the most probable pass at every step, but none twice while the function stays as it is.

    The policy sees the function alone, so a pass that changed nothing would be its choice for ever. Of all states on
    the way the smallest is taken: each was compiled and counted, as the paper's additional compilations are.
    Raises CompilerError where LLVM fails on the function before any pass was chosen.
    """
    observation, info = env.reset(options={"function": function})
    best, smallest = env.pass_list, info["instructions"]
    ranked = _ranked(policy, observation)
    done, over = 0, False
    while done < num_steps and not over and ranked:
        observation, _, terminated, truncated, info = env.step(ranked.pop(0))
        done, over = done + 1, terminated or truncated
        if info["changed"]:
            ranked = _ranked(policy, observation)
        if info["instructions"] < smallest:
            best, smallest = env.pass_list, info["instructions"]
    return Played(best, smallest, info["baseline"], done)


def _ranked(policy: Policy, observation: Counts) -> list[int]:
    """All actions, the most probable first."""
    order: list[int] = np.argsort(-policy.logits(observation), kind="stable").tolist()
    return order


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A played episode, or as much of one as was asked for, to learn from."""

    observations: Counts
    """(steps + 1, 56): before each step, and after the last."""
    actions: npt.NDArray[np.int64]
    """(steps,)"""
    rewards: Array
    """(steps,)"""
    over: bool
    """Whether the episode ended, by itself or because LLVM did not survive the last step."""


def explore(policy: Policy, env: PassOrder, function: int, num_steps: int, seed: int) -> Trace:
    """Draw a pass by the policy's chances at every step. Raises CompilerError as `play` does."""
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(options={"function": function})
    observations, over = [observation], False
    taken: list[int] = []
    rewards: list[float] = []
    while len(taken) < num_steps and not over:
        logits = policy.logits(observation)
        action = int(np.argmax(logits + rng.gumbel(size=len(logits))))  # the same as a draw from the softmax
        observation, reward, terminated, truncated, _ = env.step(action)
        observations.append(observation)
        taken.append(action)
        rewards.append(reward)
        over = terminated or truncated
    return Trace(np.stack(observations), np.array(taken), np.array(rewards, np.float32), over)


def read_policy(folder: Path) -> Policy:
    """The best policy of a training. Raises InputError where there is none, or one for another LLVM or other passes."""
    try:
        settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text())
        llvm, passes = settings["llvm"], tuple(settings["passes"])
        policy = Policy.read(folder / BEST, passes)
    except FileNotFoundError:
        raise InputError(f"{folder} holds no agent: {_TRAIN}") from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"the agent in {folder} is damaged ({error}): {_TRAIN}") from None
    major = find_toolchain().major
    if llvm != major:
        raise InputError(f"the agent in {folder} was trained on LLVM {llvm}, and this is LLVM {major}: {_TRAIN}")
    if passes != actions(major):
        raise InputError(f"the agent in {folder} was trained with the passes of another catalog: {_TRAIN}")
    return policy
