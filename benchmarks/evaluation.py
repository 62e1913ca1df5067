"""Every method on the functions that the gold run searched, the report on them, and the figures beside the paper's.

Usage: python benchmarks/evaluation.py CORPUS [--training CORPUS] [--sample 3000] [--drivers JOTAI] [--paper CORPUS]
  [--model DIR]
Runs `passformer evaluate` for each of RUNS (finished ones are not run again) and `passformer report`; writes
docs/results/evaluation/ and docs/results/evaluation.json. `--training` is the tuned corpus that the rivals learn from,
where that is another one (CORPUS may be made of held-out programs alone, see held_out.py). `--paper` is a corpus of
protocol `paper`, of which the
methods that need no training of their own are measured too.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus
from passformer.evaluate.methods import SHIPPED as RIVALS_SHIPPED
from passformer.evaluate.results import Counts, at_budget, bootstrap, improvement, without_back_up
from passformer.evaluate.runs import SEARCHES, Run, Runs, read_runs
from passformer.model.package import SHIPPED, read_facts

RESULTS = Path(__file__).parent.parent / "docs" / "results"
RUNS = (
    *((method, budget) for method in ("model", "coreset") for budget in (0, 1, 64)),
    *((method, budget) for method in ("trees", "nearest") for budget in (0, 64)),
    *(("coreset-nvp", budget) for budget in (0, 45)),
    ("autophase", 45),
    *(("autotuner", budget) for budget in (10, 100)),
)
RIVALS = ("trees", "nearest", "coreset-nvp", "autophase")
"""Those that learn from a corpus."""
TRAINED = ("coreset-nvp", "autophase")
"""Those that learn by a command of their own; left out where that was not run on the corpus, and none came along."""
PAPER_RUNS = (("model", 0), ("model", 64), ("coreset", 0), ("coreset", 64))
BUDGETS = (1, 2, 3, 5, 8, 16, 30, 64)
GENERATED = 1000


def evaluate(corpus: Path, method: str, budget: int, *more: str) -> None:
    """As people type it."""
    words = ["--functions", str(corpus), "--method", method, "--budget", str(budget), *more]
    subprocess.run([sys.executable, "-m", "passformer", "evaluate", *words], check=True, stdout=subprocess.DEVNULL)


def is_trained(method: str, learnt: Path) -> bool:
    """Whether `passformer evaluate` finds what the method learnt."""
    return any(folder.exists() for folder in (learnt / method, RIVALS_SHIPPED / method.replace("-", "_")))


def figures(corpus: Path) -> list[dict[str, Any]]:
    """One shot, and at each budget up to the run's: improvement, its interval, share of the autotuner's gain.

    And, with `back_up` false, what tries without -Oz beside it.
    """
    runs = Runs(read_runs(corpus), corpus)
    rows: list[dict[str, Any]] = []

    def figure(run: Run, budget: int, result: Counts) -> dict[str, Any]:
        return {
            "method": run.method,
            "budget": budget,
            "improvement": improvement(run.baseline, result),
            "interval": bootstrap(run.baseline, result),
            "capture": runs.capture(run, result),
            "improved": int((result < run.baseline).sum()),
            "regressed": int((result > run.baseline).sum()),
        }

    for run in (*runs.one_shot, *runs.deepest, *runs.searches):
        whole = run.budget == 0 or run.method in SEARCHES
        budgets = {run.budget} if whole else {*(b for b in BUDGETS if b < run.budget), run.budget}
        rows += [figure(run, b, run.result if whole else at_budget(run.results, b)) for b in sorted(budgets)]
    for run in runs.tries:
        alone = np.array([without_back_up(r).result for r in run.results], dtype=np.int64)
        rows.append({**figure(run, run.budget, alone), "back_up": False})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--training", type=Path)
    parser.add_argument("--sample", type=int, default=3000)
    parser.add_argument("--drivers")
    parser.add_argument("--paper", type=Path)
    parser.add_argument("--model")
    arguments = parser.parse_args()
    model = ["--model", arguments.model] if arguments.model else []
    training = ["--training", str(arguments.training)] if arguments.training else []
    learnt = arguments.training or arguments.corpus
    for method, budget in ((m, b) for m, b in RUNS if m not in TRAINED or is_trained(m, learnt)):
        more = ["--sample", str(arguments.sample), *(model if method == "model" else [])]
        more += training if method in RIVALS else []
        if (method, budget) == ("model", 0):
            more += ["--generate", str(GENERATED), *(["--drivers", arguments.drivers] if arguments.drivers else [])]
        evaluate(arguments.corpus, method, budget, *more)
    report = RESULTS / "evaluation"
    command = ["report", str(arguments.corpus), "--out", str(report)]
    subprocess.run([sys.executable, "-m", "passformer", *command], check=True, stdout=subprocess.DEVNULL)
    run = read_runs(arguments.corpus)[0]
    generated = arguments.corpus / "evaluations" / "model-0" / "generation.json"
    result: dict[str, Any] = {
        **{key: run.summary[key] for key in ("llvm", "functions", "instructions", "autotuner_improvement", "seed")},
        **provenance(),
        "parameters": read_facts(Path(arguments.model) if arguments.model else SHIPPED).recipe["parameters"],
        "by_source": dict(Counter(r.source for r in run.results)),
        "training_functions": len(Corpus(learnt).ids(["train"])),
        "rows": figures(arguments.corpus),
        "generation": json.loads(generated.read_text()),
    }
    if arguments.paper:
        for method, budget in PAPER_RUNS:
            evaluate(arguments.paper, method, budget, *(model if method == "model" else []))
        summary = read_runs(arguments.paper)[0].summary
        result["paper"] = {
            **{key: summary[key] for key in ("functions", "instructions", "autotuner_improvement")},
            "rows": figures(arguments.paper),
        }
    (RESULTS / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
