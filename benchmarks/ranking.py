"""From the model's probabilities to lists: ways to choose, on validation functions, where every list was tried.

Usage: python benchmarks/ranking.py CORPUS [--model DIR] [--functions 2000]
With a budget: the most probable lists first, or those that are expected to save most together, by exemplars of all
sizes or of near ones. Without: the most probable list, or the one that is expected to save most, whenever that is
something or only if it is more than the model's caution. Writes docs/results/ranking.json.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from passformer.autotune.tunings import read_tunings, to_matrix
from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus
from passformer.llvm.passlist import OZ
from passformer.methods.model import chances_of, form_for
from passformer.model.exemplars import MOST
from passformer.model.package import SHIPPED, Package, open_package
from passformer.tables import track
from passformer.train.caution import validation_rows

RESULTS = Path(__file__).parent.parent / "docs" / "results"
BUDGETS = (1, 2, 3, 5, 8)


def orders(package: Package, chances: Mapping[str, float], size: int) -> dict[str, Iterable[str]]:
    """Lists to try, by way."""
    near = package.exemplars
    alike = replace(near, size=np.full_like(near.size, size))
    return {
        "the most probable": (t for t in sorted(chances, key=lambda t: -chances[t]) if t != str(OZ)),
        "expected to save most together": alike.rank(alike.posterior(chances, size), chances),
        "the same, by exemplars of near size": near.rank(near.posterior(chances, size), chances),
    }


def guesses(package: Package, chances: Mapping[str, float], size: int) -> dict[str, str]:
    """The list that is named unverified, by way."""
    list_, saved = package.exemplars.best(package.exemplars.posterior(chances, size))
    return {
        "the most probable": max(chances, key=lambda t: chances[t]),
        "expected to save most": list_,
        "the same, if it is more than the caution": list_ if saved > package.facts.caution else str(OZ),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--functions", type=int, default=2000)
    arguments = parser.parse_args()
    corpus, package = Corpus(arguments.corpus), open_package(arguments.model)
    matrix = to_matrix(read_tunings([corpus.folder / "tunings" / "default"]))
    saved = np.column_stack([np.zeros(len(matrix.baseline), dtype=np.int64), matrix.saved(-MOST)])
    column = {str(OZ): 0, **{str(p): i + 1 for i, p in enumerate(matrix.pass_lists)}}
    place = {id_: i for i, id_ in enumerate(matrix.function_ids)}
    rows = [row for row in validation_rows(corpus, arguments.functions) if row.function_id in place]
    tried: dict[str, list[npt.NDArray[np.int64]]] = {}
    named: dict[str, list[int]] = {}
    possible = 0
    for row in track(rows, len(rows), "ranking"):
        gains = saved[place[row.function_id]]
        possible += int(gains.max())
        prompt = package.writer.prompt(form_for(package, 1), row).tolist()
        for way, order in orders(package, chances_of(package, prompt, max(BUDGETS)), row.before).items():
            found = [int(gains[column[t]]) for t in islice(order, max(BUDGETS))]
            reached = np.maximum.accumulate([0, *found, *[0] * (max(BUDGETS) - len(found))])
            tried.setdefault(way, []).append(reached)
        prompt = package.writer.prompt(form_for(package, 0), row).tolist()
        for way, text in guesses(package, chances_of(package, prompt, 0), row.before).items():
            named.setdefault(way, []).append(int(gains[column[text]]))
    verified = {way: 100 * np.sum(reached, axis=0)[list(BUDGETS)] / possible for way, reached in tried.items()}
    result: dict[str, Any] = {
        "llvm": corpus.manifest["llvm"],
        **provenance(),
        "functions": len(rows),
        "budgets": BUDGETS,
        "verified": {way: shares.round(2).tolist() for way, shares in verified.items()},
        "unverified": {
            way: {
                "capture": round(100 * sum(found) / possible, 2),
                "improved": sum(n > 0 for n in found),
                "regressed": sum(n < 0 for n in found),
            }
            for way, found in named.items()
        },
    }
    (RESULTS / "ranking.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
