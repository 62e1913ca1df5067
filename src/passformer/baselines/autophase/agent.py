"""What PPO trains and the method asks: a policy over passes, given the 56 counts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gymnasium.spaces import Box
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from passformer.baselines.autophase.environment import Counts, PassOrder, actions
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import PassList

BEST, LATEST, SETTINGS = "best.zip", "latest.zip", "settings.json"
"""In an agent's folder: the policy that did best on validation functions, the last one, how they were trained."""
_TRAIN = "`passformer autophase train DIR` makes one"


class LogCounts(BaseFeaturesExtractor):
    """log(1 + count): functions have from 1 to 10,000 instructions, and networks want neither."""

    def __init__(self, observation_space: Box) -> None:
        super().__init__(observation_space, features_dim=observation_space.shape[0])

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """(B, 56) counts -> (B, 56)."""
        return torch.log1p(observations)


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


def play(policy: ActorCriticPolicy, env: PassOrder, function: int, num_steps: int) -> Played:
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


def _ranked(policy: ActorCriticPolicy, observation: Counts) -> list[int]:
    """All actions, the most probable first."""
    with torch.no_grad():
        tensor, _ = policy.obs_to_tensor(observation)
        logits: torch.Tensor = policy.get_distribution(tensor).distribution.logits  # type: ignore[union-attr]
    order: list[int] = torch.argsort(logits[0], descending=True, stable=True).tolist()
    return order


def read_policy(folder: Path) -> ActorCriticPolicy:
    """The best policy of a training run. Raises InputError where there is none, or one for another LLVM's passes."""
    try:
        settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text())
        policy = PPO.load(folder / BEST, device="cpu").policy
    except FileNotFoundError:
        raise InputError(f"{folder} holds no agent: {_TRAIN}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"the agent in {folder} is damaged ({error}): {_TRAIN}") from None
    major = find_toolchain().major
    if settings["llvm"] != major:
        raise InputError(
            f"the agent in {folder} was trained on LLVM {settings['llvm']}, and this is LLVM {major}: {_TRAIN}"
        )
    if settings["passes"] != list(actions(major)):
        raise InputError(f"the agent in {folder} was trained with the passes of another catalog: {_TRAIN}")
    policy.set_training_mode(False)
    return policy
