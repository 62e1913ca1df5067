"""PPO (Schulman et al., 2017) by stable-baselines3 on the environment; a killed training goes on.

The paper's regime (IV-B): 100,000 episodes of 45 passes on the training functions, judged now and then on validation
functions, of which the best policy is kept. Sandbox workers play whole episodes, each by itself; stable-baselines3
learns from what they bring.
"""

import contextlib
import heapq
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import set_random_seed

from passformer.baselines.autophase.agent import BEST, SETTINGS, Policy, Trace, explore, play
from passformer.baselines.autophase.environment import EPISODE, MAX_DRAWS, actions, observations
from passformer.baselines.autophase.inside import in_worker
from passformer.corpus.files import alone, atomic, claim
from passformer.corpus.store import Corpus, draw_order
from passformer.llvm.errors import CompilerError, InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool, Sandbox

LATEST, PROGRESS = "latest.pt", "progress.json"
"""In an agent's folder: what a killed training goes on with, and a row each time that the agent was judged."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How an agent is trained, beside the number of episodes, which may grow."""

    functions: int = 8_000
    """Of the training split, at most, drawn the same each time."""
    max_instructions: int = 400
    """Of these; larger ones are few, and would take most of the time."""
    seed: int = 0
    validate_every: int = 2_000
    """Episodes, rounded up to whole updates."""
    validation_functions: int = 200
    """Drawn from the validation split, the same each time."""
    rollout: int = 192
    """Episodes between updates."""
    minibatches: int = 4
    epochs: int = 10
    """Of an update."""
    learning_rate: float = 3e-4
    entropy: float = 0.01
    """Weight of the bonus for undecided policies: most passes do nothing at most times, and are soon unlearnt."""
    discount: float = 1.0
    """An instruction saved late is worth as much as one saved early."""
    layers: tuple[int, ...] = (256, 256)
    """Widths, of policy and value network each."""


def train(
    corpus: Corpus,
    folder: Path,
    episodes: int,
    settings: Settings = Settings(),
    jobs: int | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """Train, or go on, until so many episodes were played; `folder` gets the policies, settings and progress.

    Returns `episodes`, `seconds`, `steps_per_second` (of this run, judging included), `best` (the row of the policy
    that is kept) and `folder`. Raises InputError where the corpus has no training or validation functions, or the
    folder holds an agent trained otherwise.
    """
    with alone(folder), Pool(jobs) as pool:
        training = _Training(corpus, folder, settings, pool, report)
        started, first = time.perf_counter(), training.episodes
        training.run(episodes)
        seconds = time.perf_counter() - started
    return {
        "episodes": training.episodes,
        "seconds": round(seconds, 1),
        "steps_per_second": round((training.episodes - first) * EPISODE / seconds),
        "best": max(training.rows, key=lambda row: row["improvement"]),
        "folder": str(folder),
    }


class _Training:
    """One run: what is learnt, from which functions, and how far it is."""

    def __init__(self, corpus: Corpus, folder: Path, settings: Settings, pool: Pool, report: Report) -> None:
        self._folder, self._settings, self._pool, self._report = folder, settings, pool, report
        self._protocol = corpus.protocol
        self._functions = _drawn(corpus, "train", settings.functions, settings.max_instructions)
        self._validation = _drawn(corpus, "validation", settings.validation_functions, settings.max_instructions)
        if not self._functions or not self._validation:
            lacking = "validation" if self._functions else "train"
            raise InputError(f"{corpus.folder} has no functions in its split {lacking}: build a larger corpus")
        major = find_toolchain().major
        self._passes = actions(major)
        wanted = {"llvm": major, "passes": self._passes, "protocol": corpus.protocol, **asdict(settings)}
        claim(folder / SETTINGS, wanted, f"{folder} holds an agent that was trained otherwise: choose another --out")
        self._model = _model(settings, len(self._passes))
        self.episodes = 0
        self.rows: list[dict[str, Any]] = []
        if (folder / LATEST).exists():
            self._restore()

    def run(self, episodes: int) -> None:
        """Until so many were played, in whole rollouts; what was learnt is judged and kept now and then."""
        every = self._settings.validate_every
        returns: list[float] = []
        while self.episodes < episodes:
            returns.append(self._rollout())
            self._model.train()
            before, self.episodes = self.episodes, self.episodes + self._settings.rollout
            mean = f"{returns[-1]:.2f}"
            done = min(self.episodes, episodes)
            self._report(f"training the agent: return {mean} of what -Oz saves", done, episodes)
            if self.episodes >= episodes or self.episodes // every > before // every:
                self._keep({"return": round(float(np.mean(returns)), 4), **self._judge()})
                returns.clear()

    def _rollout(self) -> float:
        """Fill the model's buffer with episodes; returns the mean of what they were paid.

        All chance comes from the seed and the number of episodes before, whatever the number of workers is.
        """
        chance = np.random.SeedSequence([self._settings.seed, self.episodes])
        set_random_seed(int(chance.generate_state(1)[0]))  # of the update that follows
        rngs = [np.random.default_rng(seed) for seed in chance.spawn(self._settings.rollout)]
        starts = [(int(rng.integers(len(self._functions))), rng) for rng in rngs]
        # The largest first: the last ones to end, for which the other workers wait, are short.
        starts.sort(key=lambda start: -len(self._functions[start[0]]))
        policy = self._policy()
        columns = list(self._pool.map(lambda sandbox, start: self._column(sandbox, policy, *start), starts))
        _fill(self._model, columns)
        return sum(float(trace.rewards.sum()) for column in columns for trace in column) / len(columns)

    def _column(self, sandbox: Sandbox, policy: Policy, function: int, rng: np.random.Generator) -> list[Trace]:
        """45 steps: an episode; where LLVM ends one early, one of another function follows, as far as there is room."""
        traces: list[Trace] = []
        room = EPISODE
        for _ in range(MAX_DRAWS):
            with contextlib.suppress(CompilerError):  # before any pass was chosen
                ir, seed = self._functions[function], int(rng.integers(1 << 32))
                traces.append(in_worker(sandbox, explore, policy, ir, self._protocol, room, seed))
                room -= len(traces[-1].actions)
            if not room:
                return traces
            function = int(rng.integers(len(self._functions)))
        raise CompilerError(f"LLVM fails on {MAX_DRAWS} training functions in a row")

    def _judge(self) -> dict[str, float]:
        """`improvement` over -Oz in percent, as `evaluate` counts it: the better of both for every function.

        `alone` is that of the agent's lists without -Oz beside them.
        """
        policy = self._policy()

        def one(sandbox: Sandbox, ir: bytes) -> tuple[int, int]:
            try:
                played = in_worker(sandbox, play, policy, ir, self._protocol, EPISODE)
            except CompilerError:  # on -Oz itself
                return 0, 0
            return played.baseline, played.instructions

        counts = list(self._pool.map(one, self._validation))
        share = 100 / max(1, sum(baseline for baseline, _ in counts))
        saved = [baseline - ours for baseline, ours in counts]
        return {
            "improvement": round(share * sum(max(0, instructions) for instructions in saved), 4),
            "alone": round(share * sum(saved), 4),
        }

    def _policy(self) -> Policy:
        """The half of the network that chooses, as it is now."""
        modules = [*self._model.policy.mlp_extractor.policy_net, self._model.policy.action_net]
        linear = [module for module in modules if isinstance(module, torch.nn.Linear)]
        layers = ((x.weight.detach().numpy().copy(), x.bias.detach().numpy().copy()) for x in linear)
        return Policy(self._passes, tuple(layers))

    def _keep(self, judged: dict[str, float]) -> None:
        if all(judged["improvement"] > row["improvement"] for row in self.rows):
            self._policy().write(self._folder / BEST)
        self.rows.append({"episodes": self.episodes, **judged})
        with atomic(self._folder / PROGRESS) as temporary:
            temporary.write_text(json.dumps(self.rows, indent=1) + "\n")
        policy = self._model.policy
        state = {"policy": policy.state_dict(), "optimizer": policy.optimizer.state_dict(), "episodes": self.episodes}
        with atomic(self._folder / LATEST) as temporary:
            torch.save(state, temporary)

    def _restore(self) -> None:
        """What `_keep` wrote; one that was killed between two files may know more rows than its policy."""
        state = torch.load(self._folder / LATEST, weights_only=True)
        self._model.policy.load_state_dict(state["policy"])
        self._model.policy.optimizer.load_state_dict(state["optimizer"])
        self.episodes = state["episodes"]
        rows = json.loads((self._folder / PROGRESS).read_text())
        self.rows = [row for row in rows if row["episodes"] <= self.episodes]


def _drawn(corpus: Corpus, split: str, number: int, max_instructions: int) -> list[bytes]:
    functions = [f for f in corpus.functions([split]) if f.instructions <= max_instructions]
    return [f.ir for f in heapq.nsmallest(number, functions, key=lambda f: draw_order(f.id))]


class LogCounts(BaseFeaturesExtractor):
    """What `Policy` does to counts before its first layer."""

    def __init__(self, observation_space: Box) -> None:
        super().__init__(observation_space, features_dim=observation_space.shape[0])

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """(B, 56) counts -> (B, 56)."""
        return torch.log1p(observations)


def _model(settings: Settings, num_passes: int) -> PPO:
    """PPO without environments: the buffer's columns, one an episode, are filled by `_fill`."""
    model = PPO(
        "MlpPolicy",
        None,  # type: ignore[arg-type]  # as stable-baselines3's own `load` makes it: set up below
        learning_rate=settings.learning_rate,
        n_steps=EPISODE,
        batch_size=EPISODE * settings.rollout // settings.minibatches,
        n_epochs=settings.epochs,
        gamma=settings.discount,
        ent_coef=settings.entropy,
        policy_kwargs={"features_extractor_class": LogCounts, "net_arch": list(settings.layers)},
        seed=settings.seed,
        device="cpu",
        _init_setup_model=False,
    )
    model.observation_space, model.action_space = observations(), Discrete(num_passes)
    model.n_envs = settings.rollout
    model._setup_model()
    model.set_logger(Logger(None, []))
    return model


def _fill(model: PPO, columns: list[list[Trace]]) -> None:
    """Put (episodes) columns of 45 steps into the buffer, with what the networks think of each step."""
    observations = np.stack(
        [np.concatenate([t.observations[:-1] for t in c]) for c in columns], 1
    )  # (45, episodes, 56)
    taken = np.stack([np.concatenate([t.actions for t in c]) for c in columns], 1)
    rewards = np.stack([np.concatenate([t.rewards for t in c]) for c in columns], 1)
    starts = np.stack([np.concatenate([np.arange(len(t.actions)) == 0 for t in c]) for c in columns], 1)
    last = np.stack([c[-1].observations[-1] for c in columns])
    over = np.array([c[-1].over for c in columns])
    with torch.no_grad():
        flat = torch.from_numpy(observations.reshape(-1, observations.shape[-1]))
        values, log_probs, _ = model.policy.evaluate_actions(flat, torch.from_numpy(taken.reshape(-1)))
        values, log_probs = values.reshape(taken.shape), log_probs.reshape(taken.shape)
        last_values = model.policy.predict_values(torch.from_numpy(last))
    buffer = model.rollout_buffer
    assert isinstance(buffer, RolloutBuffer)
    buffer.reset()
    for t in range(EPISODE):
        buffer.add(observations[t], taken[t], rewards[t], starts[t], values[t], log_probs[t])
    buffer.compute_returns_and_advantage(last_values, over)
