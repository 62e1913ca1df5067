"""The paper's ablations (Table VI, Figure 8): less training data, and no generation of optimised code; same steps.

And one of its proposals (section VI-C): whole pass lists as single tokens, which the shipped model has, against a token
for each pass.

Usage: python benchmarks/ablations.py CORPUS RUNS [--config configs/ablation.toml] [--together 1]
Trains each of VARIANTS in a folder of RUNS (finished runs are not trained again), with the validation that `train`
makes; writes docs/results/ablations.json and ablations.png.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus
from passformer.train.config import TrainConfig, read_config
from passformer.train.metrics import read_metrics

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"
VARIANTS: dict[str, dict[str, float]] = {
    "100 % of the data": {},
    "a token for each pass": {"list_tokens": 0},
    "no optimised code": {"ir_weight": 0.0},
    "50 % of the data": {"share": 0.5},
    "25 % of the data": {"share": 0.25},
}
"""Name -> what it changes in the configuration's section `data`."""
BUDGETS = (1, 2, 3, 5)


def train(base: TrainConfig, name: str, corpus: Path, folder: Path) -> Path:
    """The run's folder, trained to the end."""
    run = folder / name.replace(" % of the data", "").replace(" ", "-")
    config = base.model_copy(update={"data": base.data.model_copy(update=VARIANTS[name])})
    if not is_finished(run, config):
        file = folder / f"{run.name}.toml"
        file.write_text(to_toml(config.model_dump()))
        command = ["train", "--config", str(file), "--data", str(corpus), "--out", str(run)]
        subprocess.run([sys.executable, "-m", "passformer", *command], check=True, stdout=subprocess.DEVNULL)
    return run


def is_finished(run: Path, config: TrainConfig) -> bool:
    """Whether the run's figures are whole, and of this configuration; its model may be elsewhere."""
    file = run / "config.json"
    if not file.exists() or TrainConfig.model_validate_json(file.read_text()) != config:
        return False
    return any(r["kind"] == "validation" and r["step"] == config.optim.steps for r in read_metrics(run))


def to_toml(values: dict[str, Any]) -> str:
    """Of a configuration: plain values, then a table a section."""
    plain = [f"{key} = {_value(value)}" for key, value in values.items() if not isinstance(value, dict)]
    tables = [f"[{key}]\n{to_toml(value)}" for key, value in values.items() if isinstance(value, dict)]
    return "\n".join([*plain, *tables]) + "\n"


def _value(value: Any) -> str:
    return str(value) if isinstance(value, float) else json.dumps(value)


def row(name: str, run: Path) -> dict[str, Any]:
    """The last validation of a run, and its curve with three lists and -Oz as back-up."""
    found = [r for r in read_metrics(run) if r["kind"] == "validation"]
    last = found[-1]
    return {
        "name": name,
        "tokens": last["tokens"],
        "seconds": round(last["seconds"]),
        "functions": last["functions"],
        "possible": last["possible"],
        "one_shot": last["improvement"],
        "regressed": last["regressed"],
        **{f"improvement_{k}": last[f"improvement_{k}"] for k in BUDGETS},
        "curve": [[r["tokens"], r["improvement_3"]] for r in found],
    }


def draw(rows: list[dict[str, Any]]) -> None:
    """Improvement with three lists, against tokens seen."""
    figure, panel = plt.subplots(figsize=(7, 4.2))
    for line, marker in zip(rows, "osD^v", strict=True):
        panel.plot(
            [t / 1e6 for t, _ in line["curve"]], [i for _, i in line["curve"]], marker=marker, label=line["name"]
        )
    panel.set_xlabel("million tokens seen")
    panel.set_ylabel("fewer instructions than -Oz with 3 lists, %")
    panel.grid(alpha=0.3)
    panel.legend()
    figure.tight_layout()
    figure.savefig(RESULTS / "ablations.png", dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "ablation.toml")
    parser.add_argument("--together", type=int, default=1, help="runs that are trained at once, on one GPU")
    arguments = parser.parse_args()
    base = read_config(arguments.config, TrainConfig)
    arguments.runs.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(arguments.together) as executor:
        runs = executor.map(lambda name: train(base, name, arguments.corpus, arguments.runs), VARIANTS)
    rows = [row(name, run) for name, run in zip(VARIANTS, runs, strict=True)]
    draw(rows)
    result = {
        "llvm": Corpus(arguments.corpus).manifest["llvm"],
        **provenance(),
        "config": base.model_dump(),
        "budgets": BUDGETS,
        "rows": rows,
    }
    (RESULTS / "ablations.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
