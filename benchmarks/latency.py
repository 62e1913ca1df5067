"""What the shipped model costs: one prediction on one core, and `passformer optimize` from a cold start.

Usage: python benchmarks/latency.py CORPUS OUT.json [--functions 300]
A prediction is timed from a function's normal form to its lists, the model loaded, on one thread; functions are drawn
from the corpus's test split. `optimize` is a new process each time, on the function of median size.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus, draw_order
from passformer.llvm.sandbox import Pool
from passformer.methods.method import Task
from passformer.methods.model import View, chances_of, form_for, views_of
from passformer.model.package import SHIPPED, Package, open_package

BUDGETS = (0, 5)
COLD_STARTS = 5


def predict(package: Package, view: View, budget: int) -> int:
    """Tokens of the prompt."""
    form = form_for(package, budget)
    prompt = package.writer.prompt(form, package.writer.view(view.unoptimised, view.after_oz)).tolist()
    chances = chances_of(package, prompt, budget)
    near = package.retrieval[form]
    weights = near.posterior(chances, form.codes(view.unoptimised, view.after_oz))
    if budget:
        list(islice(near.exemplars.rank(weights, chances), budget))
    else:
        near.exemplars.best(weights, package.facts.price)
    return len(prompt)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--functions", type=int, default=300)
    arguments = parser.parse_args()
    corpus = Corpus(arguments.corpus)
    functions = sorted(corpus.functions(["test"]), key=lambda f: draw_order(f.id))[: arguments.functions]
    package = open_package(SHIPPED)
    result: dict[str, Any] = {"llvm": corpus.manifest["llvm"], **provenance(), "functions": len(functions)}
    with Pool(1) as pool:
        tasks = [Task(f.ir, package.facts.llvm, corpus.protocol) for f in functions]
        found = pool.map(lambda sandbox, task: views_of(task, True, sandbox), tasks)
        views = [view for views in found for view in views]
    result["predictions"] = {}
    for budget in BUDGETS:
        predict(package, views[0], budget)
        tokens, seconds = [], []
        for view in views:
            started = time.perf_counter()
            tokens.append(predict(package, view, budget))
            seconds.append(time.perf_counter() - started)
        result["predictions"][str(budget)] = {
            "form": form_for(package, budget).value,
            "tokens": float(np.median(tokens)),
            "milliseconds": {str(q): round(1000 * float(np.percentile(seconds, q)), 2) for q in (50, 90, 99)},
        }
    median = sorted(functions, key=lambda f: f.instructions)[len(functions) // 2]
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "median.bc"
        file.write_bytes(median.ir)
        command = [sys.executable, "-m", "passformer", "optimize", str(file)]
        starts = []
        for _ in range(COLD_STARTS):
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            starts.append(time.perf_counter() - started)
    result["optimize_seconds"] = round(float(np.median(starts)), 3)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
