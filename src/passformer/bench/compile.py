"""In-process evaluation against spawned `opt`: the same functions and pass lists, one worker each, in one run."""

import subprocess
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from passformer.autotune.sample import random_pass_lists
from passformer.autotune.statetable import explorer, whole_runner
from passformer.bench.provenance import provenance
from passformer.corpus.shipped import load_functions
from passformer.llvm.catalog import searched_passes
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import pass_pipeline
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Failure, Sandbox


def bench_compile(
    folder: Path | None, num_functions: int, num_lists: int, seed: int, report: Report = silent
) -> dict[str, Any]:
    """Evaluations a second of three ways, and the ratio of the first to the last.

    In process: by the table of results by IR state, as the autotuner works, in the sandbox, with verification, counting
    and the way to the worker and back. `whole`: the same without the table, each list run from its beginning.
    Spawned: `opt -passes=LIST module.bc -o /dev/null`, which verifies too but need not count: what a script would do
    at the very least. The three take turns function by function, so that they see the same machine.
    """
    toolchain = find_toolchain()
    opt = toolchain.tool("opt")
    if opt is None:
        raise InputError(f"no opt {toolchain.major} to compare with: apt-get install llvm-{toolchain.major}")
    lists = list(islice(random_pass_lists(f"bench {seed}", searched_passes(toolchain.major)), num_lists))
    steps = [[pass_pipeline(name, toolchain.major) for name in pass_list.names] for pass_list in lists]
    seconds = dict.fromkeys(("table", "whole", "spawned"), 0.0)
    failures = different = 0
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as scratch:
        functions = load_functions(sandbox, folder, num_functions)
        file = Path(scratch) / "function.bc"
        for done, function in enumerate(functions, 1):
            counts = {}
            for way, evaluator in (("table", explorer), ("whole", whole_runner)):
                started = time.perf_counter()
                results = list(sandbox.map(evaluator, function, steps))
                seconds[way] += time.perf_counter() - started
                counts[way] = [None if isinstance(r, Failure) else r.count for r in results]
            failures += counts["table"].count(None)
            different += sum(a != b for a, b in zip(counts["table"], counts["whole"], strict=True))
            file.write_bytes(function)
            started = time.perf_counter()
            for pipelines in steps:
                passes = f"-passes={','.join(pipelines)}"
                subprocess.run([opt, passes, file, "-o", "/dev/null"], stderr=subprocess.DEVNULL)
            seconds["spawned"] += time.perf_counter() - started
            report("spawning opt", done, len(functions))
        version = sandbox.version()["version"]
    evaluations = len(functions) * len(lists)
    return {
        "llvm": version,
        "functions": len(functions),
        "lists": len(lists),
        "evaluations": evaluations,
        "failures": failures,
        "different_counts": different,
        "in_process_per_second": evaluations / seconds["table"],
        "whole_per_second": evaluations / seconds["whole"],
        "subprocess_per_second": evaluations / seconds["spawned"],
        "ratio": seconds["spawned"] / seconds["table"],
        "ratio_whole": seconds["spawned"] / seconds["whole"],
        "seed": seed,
        **provenance(),
    }
