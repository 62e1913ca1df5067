"""`passformer/PassOrder-v0`: order LLVM's passes over one function after another, as a Gymnasium environment.

    import gymnasium, passformer.baselines
    env = gymnasium.make("passformer/PassOrder-v0", functions="data/full")

What CompilerGym's environments did on LLVM 10, on a current LLVM. LLVM runs in a child process: a pass that crashes or
hangs ends the episode and nothing else.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from typing import Protocol as Structure

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete

from passformer.baselines.autophase.features import FEATURES
from passformer.baselines.autophase.session import Sight, looker
from passformer.corpus.shipped import load_functions
from passformer.corpus.store import Corpus
from passformer.llvm.catalog import catalog, searched_passes
from passformer.llvm.errors import CompilerError, InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import PassList, pass_pipeline
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import A, Failure, Limits, Prepare, R, S, Sandbox, SetupError

Counts = npt.NDArray[np.int32]
_NUM_SHIPPED = 64
EPISODE = 45
"""Passes in an episode, as in AutoPhase and the paper (Cummins et al., 2023, IV-B)."""
MAX_DRAWS = 100
"""Functions in a row that LLVM may fail on before `reset` gives up."""


def actions(major: int) -> tuple[str, ...]:
    """Names of the passes to choose from, by action: all searched ones, the levels -O1 to -Oz among them.

    Not -O0, which has run when an episode begins: it does what every pass list must (see `methods.method.lowered`).
    """
    return tuple(p.name for p in searched_passes(major) if p.name != "O0")


def observations() -> "Box[np.int32]":
    """The space of the 56 counts."""
    return Box(0, np.iinfo(np.int32).max, (len(FEATURES),), np.int32)


@cache
def _pipelines(names: tuple[str, ...], major: int, protocol: Protocol) -> dict[str, str]:
    return {name: pass_pipeline(name, major, protocol) for name in ("O0", *names)}


class Worker(Structure):
    """What the environment asks of a `Sandbox`, or of what stands in for one (see `inside`)."""

    def map(self, prepare: Prepare[S, A, R], shared: S, items: Sequence[A]) -> Iterator[R | Failure]:
        """See `Sandbox.map`."""

    def __exit__(self, *exception: object) -> None: ...


@dataclass(frozen=True, slots=True)
class _Episode:
    """Where an episode stands; a value, so that forks share nothing that changes."""

    function: int
    baseline: int
    """Instructions under -Oz."""
    start: int
    """Instructions at the beginning."""
    sight: Sight
    names: tuple[str, ...]
    """The passes that made a difference."""
    levels: frozenset[str] = frozenset({"O0"})
    """Of -O0 to -Oz those that were taken: a pass list holds each at most once."""
    num_steps: int = 0
    over: bool = False


class PassOrder(gymnasium.Env[Counts, np.int64]):
    """Observation: the 56 AutoPhase counts of the function as it stands (`FEATURES`), shape (56,), int32.

    Action: the number of a pass in `passes`. It runs at once; what was taken before stays done. A level that was taken
    already is a step in which nothing happens.

    Reward: the instructions that the step saved, negative where the function grew. With `normalised` that is in units
    of what -Oz saves on this function (at least 1), and a function that has grown by more than one unit counts as if
    it had grown by one. Either way, the rewards of an episode sum up to what it saved.

    An episode has 45 steps; its length is part of the task, so its end is `terminated`. Where LLVM does not survive a
    step the episode is `truncated`, gives back what it had saved, and `info["failure"]` says what happened.

    `info` has `function` (its index), `instructions`, `baseline` (under -Oz) and `changed` (whether the pass made a
    difference).

    The same function and actions give the same observations and rewards in a fresh environment. Within one that has
    walked other ways over the same function before, LLVM can in rare cases see operands' users in another order.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  (gymnasium's own form)

    def __init__(
        self,
        functions: Sequence[bytes] | Path | str | None = None,
        *,
        split: str = "train",
        passes: Sequence[str] | None = None,
        normalised: bool = True,
        protocol: Protocol = Protocol.CLANG,
        sandbox: Worker | None = None,
        render_mode: None = None,
    ) -> None:
        """`functions`: modules (bitcode or IR text, ready for the protocol's -Oz), or a corpus, whose split and
        protocol are taken; None for some functions of the small C programs that come along, compiled with clang.
        `passes`: names to choose from; None for `actions` of this LLVM. `sandbox`: a worker to share, which stays open
        on `close`. `render_mode`: there is none.
        """
        if functions is None:
            with Sandbox() as compiler:
                functions = load_functions(compiler, None, _NUM_SHIPPED)
        if isinstance(functions, Path | str):
            corpus = Corpus(Path(functions))
            functions, protocol = [f.ir for f in corpus.functions([split])], corpus.protocol
        if not functions:
            raise InputError(f"no functions to order passes on (split {split!r})")
        self.functions = functions
        self.passes = actions(find_toolchain().major) if passes is None else tuple(passes)
        self.render_mode = render_mode
        self.observation_space = observations()
        self.action_space = Discrete(len(self.passes))
        self._normalised = normalised
        self._pipelines = _pipelines(self.passes, find_toolchain().major, protocol)
        self._owns_sandbox = sandbox is None
        self._sandbox: Worker = sandbox or Sandbox(Limits(cpu_seconds=5))
        self._episode: _Episode | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Counts, dict[str, Any]]:
        """Begin with a function drawn at random, or with that of the index `options["function"]`.

        Raises CompilerError where LLVM fails on that function before anything was chosen; drawn ones are drawn again.
        """
        super().reset(seed=seed)
        chosen = (options or {}).get("function")
        for _ in range(1 if chosen is not None else MAX_DRAWS):
            index = int(self.np_random.integers(len(self.functions)) if chosen is None else chosen)
            begun = self._begin(index)
            if isinstance(begun, _Episode):
                self._episode = begun
                return self._observation(begun), self._info(begun)
        raise CompilerError(f"LLVM fails on function {index} before any pass was chosen: {begun}")

    def step(self, action: np.int64 | int) -> tuple[Counts, float, bool, bool, dict[str, Any]]:
        """Run a pass. Raises gymnasium's ResetNeeded where the episode is over."""
        before = self._episode
        if before is None or before.over:
            raise ResetNeeded("this episode is over: call reset()")
        name = self.passes[action]
        sight = self._look(before, name)
        if isinstance(sight, Failure):
            self._episode = after = replace(before, over=True)
            lost = -max(0.0, self._saved(before))
            return self._observation(after), lost, False, True, {**self._info(after), "failure": str(sight)}
        self._episode = after = replace(
            before,
            sight=sight,
            names=(*before.names, name) if sight.changed else before.names,
            levels=before.levels | {name} if catalog()[name].kind == "meta" else before.levels,
            num_steps=before.num_steps + 1,
            over=before.num_steps + 1 == EPISODE,
        )
        reward = self._saved(after) - self._saved(before)
        return self._observation(after), reward, after.over, False, self._info(after)

    def fork(self) -> "PassOrder":
        """A second environment that stands where this one does, its random numbers included; costs microseconds.

        Both use one worker: keep them in one thread, and close this one last.
        """
        twin = copy.copy(self)
        twin.np_random = copy.deepcopy(self.np_random)
        twin._owns_sandbox = False
        return twin

    def close(self) -> None:
        """End the worker."""
        if self._owns_sandbox:
            self._sandbox.__exit__()

    @property
    def pass_list(self) -> PassList:
        """The passes that made a difference in this episode, in order."""
        assert self._episode is not None, "reset() comes first"
        return PassList(self._episode.names)

    def _begin(self, index: int) -> _Episode | Failure:
        ways = [[self._pipelines["Oz"]], [self._pipelines["O0"]]]
        try:
            outcomes = list(self._sandbox.map(looker, self.functions[index], ways))
        except SetupError as error:
            return Failure("refused", str(error))
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                return outcome
        oz, start = (outcome for outcome in outcomes if isinstance(outcome, Sight))
        names = ("O0",) if start.changed else ()
        return _Episode(index, oz.instructions, start.instructions, start, names)

    def _look(self, episode: _Episode, name: str) -> Sight | Failure:
        if name in episode.levels:
            return replace(episode.sight, changed=False)
        # What made no difference can be left out: the walk is shorter, and the table knows where it leads.
        names = episode.names if "O0" in episode.names else ("O0", *episode.names)
        pipelines = [self._pipelines[n] for n in (*names, name)]
        (sight,) = self._sandbox.map(looker, self.functions[episode.function], [pipelines])
        return sight

    def _saved(self, episode: _Episode) -> float:
        saved = float(episode.start - episode.sight.instructions)
        if self._normalised:
            return max(-1.0, saved / max(1, episode.start - episode.baseline))
        return saved

    @staticmethod
    def _observation(episode: _Episode) -> Counts:
        return np.array(episode.sight.features, np.int32)

    @staticmethod
    def _info(episode: _Episode) -> dict[str, Any]:
        return {
            "function": episode.function,
            "instructions": episode.sight.instructions,
            "baseline": episode.baseline,
            "changed": episode.sight.changed,
        }
