"""Random episodes of `passformer/PassOrder-v0`: does the host live, how fast is it, and does a replay give the same?

Usage: python benchmarks/environment_stress.py OUT.json --functions CORPUS [--num-functions 5000] [--episodes 10000]
Every tenth episode is played again by a second worker, which knows nothing of the first. Rates are of steps of the
first environment alone, resets included: by the clock, and by CPU-second of host and worker together, which is what one
core gives where nothing else runs. Ctrl-C ends it early; what was played is written.
"""

import argparse
import heapq
import json
import os
import resource
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from passformer.baselines.autophase.environment import EPISODE, PassOrder
from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus, Function, draw_order
from passformer.llvm.sandbox import Sandbox

Steps = list[tuple[Any, ...]]
MEDIAN = range(30, 46)
"""Instructions of functions around the corpus's median."""


def play(env: PassOrder, function: int, actions: list[int]) -> Steps:
    """What each step gave, the beginning first; shorter than `actions` where LLVM did not survive one."""
    observation, info = env.reset(options={"function": function})
    steps: Steps = [(observation.tobytes(), info)]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        steps.append((observation.tobytes(), reward, terminated, truncated, info))
        if terminated or truncated:
            break
    return steps


def rates(functions: list[bytes], episodes: int, seed: int, every: int) -> dict[str, Any]:
    """Play; replay each `every`-th episode (0: none)."""
    rng = np.random.default_rng(seed)
    failures: Counter[str] = Counter()
    played = steps = replayed = different = 0
    seconds = host_seconds = 0.0
    children_before = _children()
    env, other = PassOrder(functions), PassOrder(functions)
    interrupted = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    while played < episodes and not interrupted.is_set():
        function = int(rng.integers(len(functions)))
        actions = rng.integers(len(env.passes), size=EPISODE).tolist()
        started, cpu = time.perf_counter(), time.process_time()
        trace = play(env, function, actions)
        seconds += time.perf_counter() - started
        host_seconds += time.process_time() - cpu
        steps += len(trace) - 1
        failure = trace[-1][-1].get("failure")
        if failure:
            failures[failure.partition(":")[0]] += 1
            print(f"function {function}, {env.passes[actions[len(trace) - 2]]}: {failure}", flush=True)
        if every and played % every == 0:
            replayed += 1
            different += play(other, function, actions) != trace
        played += 1
        if played % 100 == 0:
            print(f"{played} episodes, {steps / seconds:.0f} steps/s, {different} of {replayed} differ", flush=True)
    env.close()
    cpu_seconds = host_seconds + _children() - children_before
    other.close()
    return {
        "episodes": played,
        "steps": steps,
        "failures": failures,
        "replayed": replayed,
        "different_replays": different,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "steps_per_second": round(steps / seconds),
        "steps_per_cpu_second": round(steps / cpu_seconds),
    }


def _children() -> float:
    """CPU-seconds of workers that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _sample(folder: Path, number: int) -> list[Function]:
    return heapq.nsmallest(number, Corpus(folder).functions(["train"]), key=lambda f: draw_order(f.id))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--functions", type=Path, required=True)
    parser.add_argument("--num-functions", type=int, default=5000)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    functions = _sample(arguments.functions, arguments.num_functions)
    median = [f.ir for f in functions if f.instructions in MEDIAN]
    with Sandbox() as sandbox:
        version = sandbox.version()["version"]
    summary = {
        "llvm": version,
        "functions": len(functions),
        "seed": arguments.seed,
        "median": {"functions": len(median), **rates(median, max(1, arguments.episodes // 25), arguments.seed, 0)},
        "all": rates([f.ir for f in functions], arguments.episodes, arguments.seed, 10),
        "host_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "load": round(os.getloadavg()[0], 1),
        **provenance(),
    }
    arguments.out.write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
