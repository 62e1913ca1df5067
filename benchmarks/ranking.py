"""From the model's probabilities to lists: ways to choose, on functions where every list was tried.

Usage: python benchmarks/ranking.py CORPUS [--model DIR] [--functions 8000]
With a budget: the most probable lists first, or those that are expected to save most together, by all exemplars alike
or by near ones; and near by what: in size, or in a space that is learnt from the model's probabilities, from opcode
counts, from both. Without a budget: one list, or none. All on functions of train, in two halves of their groups: what
is learnt from one is used on the other, and so are thresholds. Writes docs/results/ranking.json.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from passformer.autotune.tunings import read_tunings, to_matrix
from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus
from passformer.dataset.prompt import Form
from passformer.llvm.passlist import OZ
from passformer.methods.model import form_for
from passformer.model.exemplars import MOST, Exemplars, size_points
from passformer.model.package import SHIPPED, open_package
from passformer.tables import track_steps
from passformer.train.config import DataSection
from passformer.train.embedding import Examples
from passformer.train.retrieval import (
    FOLDS,
    MOST_REGRESSED,
    Known,
    embedding_for,
    examples_of,
    known_functions,
    threshold,
)

Floats32 = npt.NDArray[np.float32]
Points = Callable[[Examples, Examples], tuple[Floats32, Floats32]]
"""Where functions that are learnt from stand, and those that are asked about."""
RESULTS = Path(__file__).parent.parent / "docs" / "results"
BUDGETS = (1, 2, 3, 5, 8)


def ways(form: Form, num_answers: int, report: Any) -> dict[str, Points]:
    """How exemplars stand."""

    def learnt(columns: slice) -> Points:
        def points(known: Examples, asked: Examples) -> tuple[Floats32, Floats32]:
            part, other = (replace(e, features=e.features[:, columns]) for e in (known, asked))
            embedding = embedding_for(form, part, report)
            return embedding(part.features), embedding(other.features)

        return points

    def sizes(examples: Examples) -> Floats32:
        return size_points(np.rint(np.expm1(examples.features[:, num_answers])).astype(np.int64))

    def nowhere(examples: Examples) -> Floats32:
        return np.zeros((len(examples.groups), 0), dtype=np.float32)

    return {
        "by all exemplars alike": lambda known, asked: (nowhere(known), nowhere(asked)),
        "by those of near size": lambda known, asked: (sizes(known), sizes(asked)),
        "by those near in probabilities": learnt(slice(num_answers + 1)),
        "by those near in opcode counts": learnt(slice(num_answers, None)),
        "by those near in both": learnt(slice(None)),
    }


def halves(known: Known, examples: Examples, points: Points) -> Iterator[tuple[int, dict[str, float], Exemplars, Any]]:
    """Each function, the chances of its answers, the exemplars of the other half, and what they say of it."""
    for fold in range(FOLDS):
        inside = np.flatnonzero(known.groups % FOLDS == fold)
        outside = np.flatnonzero(known.groups % FOLDS != fold)
        theirs, ours = points(examples.take(outside), examples.take(inside))
        shares, saved = examples.shares[outside], known.exemplars.saved[outside]
        exemplars = replace(known.exemplars, shares=shares, saved=saved, points=theirs)
        for row, point in zip(inside.tolist(), ours, strict=True):
            chances = dict(zip(exemplars.answers, examples.chances[row].tolist(), strict=True))
            yield row, chances, exemplars, exemplars.posterior(chances, point)


def verified(known: Known, examples: Examples, points: Points | None) -> list[float]:
    """Share of the gain of the best of all lists, by budget; without points, the most probable lists first."""
    column = {text: i for i, text in enumerate(known.exemplars.lists)}
    reached = np.zeros((len(known.gains), max(BUDGETS)), dtype=np.int64)
    everything = halves(known, examples, points or (lambda a, b: (a.features[:, :0], b.features[:, :0])))
    for row, chances, exemplars, weights in everything:
        likely = (text for text in sorted(chances, key=lambda t: -chances[t]) if text != str(OZ))
        order = likely if points is None else exemplars.rank(weights, chances)
        found = [known.gains[row, column[text]] for text in islice(order, max(BUDGETS))]
        found += [0] * (max(BUDGETS) - len(found))
        reached[row] = np.maximum.accumulate(np.maximum(found, 0))
    possible = known.gains.max(axis=1, initial=0).sum()
    return [round(100 * float(reached[:, budget - 1].sum() / possible), 2) for budget in BUDGETS]


def unverified(known: Known, examples: Examples, points: Points | None) -> dict[str, float]:
    """One list a function, or none where too little is expected of it; without points, always the most probable."""
    column = {text: i for i, text in enumerate(known.exemplars.lists)}
    expected = np.full(len(known.gains), np.inf if points is None else 0.0)
    outcomes = np.zeros(len(known.gains), dtype=np.int64)
    everything = halves(known, examples, points or (lambda a, b: (a.features[:, :0], b.features[:, :0])))
    for row, chances, exemplars, weights in everything:
        list_ = max(chances, key=lambda text: chances[text])
        if points is not None:
            list_, expected[row] = exemplars.best(weights)
        outcomes[row] = known.gains[row, column[list_]] if list_ in column else 0
    fold = known.groups % FOLDS
    for number in range(FOLDS) if points is not None else ():
        caution = threshold(expected[fold != number], outcomes[fold != number])
        outcomes[(fold == number) & (expected <= caution)] = 0
    return {
        "capture": round(100 * float(outcomes.sum() / known.gains.max(axis=1, initial=0).sum()), 2),
        "improved": int((outcomes > 0).sum()),
        "regressed": int((outcomes < 0).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--functions", type=int, default=8000)
    arguments = parser.parse_args()
    corpus, package = Corpus(arguments.corpus), open_package(arguments.model)
    matrix = to_matrix(read_tunings([corpus.folder / "tunings" / "default"]))
    data = DataSection.model_validate(package.facts.recipe["config"]["data"])
    known = known_functions(corpus, matrix, data, arguments.functions)
    result: dict[str, Any] = {
        "llvm": corpus.manifest["llvm"],
        **provenance(),
        "functions": len(known.texts),
        "budgets": BUDGETS,
        "most": MOST,
        "most_regressed": MOST_REGRESSED,
        "verified": {},
        "unverified": {},
    }
    with track_steps() as report:
        for part, budget, measure in (("verified", 1, verified), ("unverified", 0, unverified)):
            form = form_for(package, budget)
            examples = examples_of(package, form, known, report)
            result[part]["the most probable"] = measure(known, examples, None)
            for name, points in ways(form, len(known.exemplars.answers), report).items():
                result[part][f"expected to save most, {name}"] = measure(known, examples, points)
    (RESULTS / "ranking.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
