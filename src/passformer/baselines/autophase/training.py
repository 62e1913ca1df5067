"""PPO (Schulman et al., 2017) by stable-baselines3 on the environment; a killed training goes on.

The paper's regime (IV-B): 100,000 episodes of 45 passes on the training functions, judged now and then on validation
functions, of which the best policy is kept.
"""

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from passformer.baselines.autophase.agent import BEST, LATEST, SETTINGS, LogCounts, play
from passformer.baselines.autophase.environment import EPISODE, PassOrder, actions
from passformer.corpus.files import alone, atomic, claim
from passformer.corpus.store import Corpus, draw_order
from passformer.llvm.errors import CompilerError, InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.progress import Report, silent

PROGRESS = "progress.json"
"""In an agent's folder: a row each time that it was judged."""
_ROLLOUT = 4 * EPISODE
"""Steps of each environment between updates."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How an agent is trained, beside the number of episodes, which may grow."""

    seed: int = 0
    validate_every: int = 2_000
    """Episodes."""
    validation_functions: int = 200
    """Drawn from the validation split, the same each time."""
    environments: int = 8
    """Stepped in turn, so that the network is asked about so many functions at once."""
    learning_rate: float = 3e-4
    entropy: float = 0.01
    """Weight of the bonus for undecided policies: most passes do nothing at most times, and are soon unlearnt."""
    discount: float = 1.0
    """An instruction saved late is worth as much as one saved early."""
    layers: tuple[int, ...] = (256, 256)
    """Widths, of policy and value network each."""


def train(
    corpus: Corpus, folder: Path, episodes: int, settings: Settings = Settings(), report: Report = silent
) -> dict[str, Any]:
    """Train, or go on, until so many episodes were played; `folder` gets the policies, settings and progress.

    Returns `episodes`, `seconds`, `steps_per_second` (of this run, judging included), `best` (the row of the policy
    that is kept) and `folder`. Raises InputError where the corpus has no training or validation functions, or the
    folder holds an agent trained otherwise.
    """
    with alone(folder):
        return _train(corpus, folder, episodes, settings, report)


def _train(corpus: Corpus, folder: Path, episodes: int, settings: Settings, report: Report) -> dict[str, Any]:
    training = [f.ir for f in corpus.functions(["train"])]
    validation = _validation(corpus, settings.validation_functions)
    if not training or not validation:
        lacking = "validation" if training else "train"
        raise InputError(f"{corpus.folder} has no functions in its split {lacking}: build a larger corpus")
    passes = actions(find_toolchain().major)
    wanted = {"llvm": find_toolchain().major, "passes": passes, "protocol": corpus.protocol, **asdict(settings)}
    claim(folder / SETTINGS, wanted, f"{folder} holds an agent that was trained otherwise: choose another --out")
    makers = [_maker(training, corpus)] * settings.environments
    with (
        closing(PassOrder(validation, protocol=corpus.protocol)) as judge,
        closing(DummyVecEnv(makers)) as environments,
    ):
        model = _model(folder, environments, settings)
        rows = _rows(folder, _episodes(model))
        started, first_step = time.perf_counter(), model.num_timesteps
        while _episodes(model) < episodes:
            more = min(settings.validate_every, episodes - _episodes(model))
            model.learn(more * EPISODE, _Progress(report, episodes), reset_num_timesteps=False)
            row = {"episodes": _episodes(model), **_judge(model, judge, len(validation), report)}
            _keep(folder, model, rows, row)
        seconds = time.perf_counter() - started
    return {
        "episodes": _episodes(model),
        "seconds": round(seconds, 1),
        "steps_per_second": round((model.num_timesteps - first_step) / seconds),
        "best": max(rows, key=lambda row: row["improvement"]),
        "folder": str(folder),
    }


def _validation(corpus: Corpus, number: int) -> list[bytes]:
    functions = sorted(corpus.functions(["validation"]), key=lambda f: draw_order(f.id))
    return [f.ir for f in functions[:number]]


def _maker(functions: list[bytes], corpus: Corpus) -> Callable[[], gymnasium.Env[Any, Any]]:
    return lambda: Monitor(PassOrder(functions, protocol=corpus.protocol))


def _model(folder: Path, environments: DummyVecEnv, settings: Settings) -> PPO:
    """The latest, or a new one."""
    if (folder / LATEST).exists():
        model = PPO.load(folder / LATEST, environments, device="cpu")
        # Not the numbers of an unbroken run, but not those that were drawn already either.
        model.set_random_seed(settings.seed + model.num_timesteps)
        return model
    return PPO(
        "MlpPolicy",
        environments,
        learning_rate=settings.learning_rate,
        n_steps=_ROLLOUT,
        batch_size=_ROLLOUT * settings.environments // 4,
        gamma=settings.discount,
        ent_coef=settings.entropy,
        policy_kwargs={"features_extractor_class": LogCounts, "net_arch": list(settings.layers)},
        seed=settings.seed,
        device="cpu",
    )


def _episodes(model: PPO) -> int:
    return model.num_timesteps // EPISODE


def _rows(folder: Path, episodes: int) -> list[dict[str, Any]]:
    """What was judged up to there; a run that was killed between two files may know more than its policy."""
    file = folder / PROGRESS
    rows = json.loads(file.read_text()) if file.exists() else []
    return [row for row in rows if row["episodes"] <= episodes]


def _judge(model: PPO, env: PassOrder, number: int, report: Report) -> dict[str, float]:
    """`improvement` over -Oz in percent, as `evaluate` counts it: the better of both for every function.

    `alone` is that of the agent's lists without -Oz beside them.
    """
    baseline = alone = together = 0
    model.policy.set_training_mode(False)
    for function in range(number):
        report("judging the agent", function, number)
        try:
            played = play(model.policy, env, function, EPISODE)
        except CompilerError:  # on -Oz itself
            continue
        baseline += played.baseline
        alone += played.instructions
        together += min(played.instructions, played.baseline)
    report("judging the agent", number, number)
    share = 100 / max(baseline, 1)
    return {"improvement": round(share * (baseline - together), 4), "alone": round(share * (baseline - alone), 4)}


def _keep(folder: Path, model: PPO, rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
    if all(row["improvement"] > other["improvement"] for other in rows):
        _save(model, folder / BEST)
    rows.append(row)
    with atomic(folder / PROGRESS) as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n")
    _save(model, folder / LATEST)


def _save(model: PPO, path: Path) -> None:
    with atomic(path) as temporary, temporary.open("wb") as file:
        model.save(file)


class _Progress(BaseCallback):
    """Tells of episodes and the mean return of the last hundred, after each rollout."""

    def __init__(self, report: Report, episodes: int) -> None:
        super().__init__()
        self._report = report
        self._episodes = episodes

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        returns = [episode["r"] for episode in self.model.ep_info_buffer or ()]
        mean = sum(returns) / max(len(returns), 1)
        done = min(self.num_timesteps // EPISODE, self._episodes)
        self._report(f"training the agent: return {mean:.2f} of what -Oz saves", done, self._episodes)
