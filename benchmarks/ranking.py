"""From the model's probabilities to lists: ways to choose, on functions where every list was tried.

Usage: python benchmarks/ranking.py CORPUS [--model DIR] [--functions 8000]
With a budget: the most probable lists first, or those that are expected to save most together, by all exemplars alike
or by near ones; and near by what: in size, or in a space that is learnt from the model's probabilities, from opcode
counts, from both. Without a budget: one list, or none, such that few enough functions are made larger for each of
LIMITS; and beside the model's ways, one list for all functions, and what gradient-boosted trees name. All on functions
of train, in two halves of their groups: what is learnt from one is used on the other, and so are prices. Writes
docs/results/ranking.json.
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

from passformer.autotune.tunings import Matrix, read_broadcasts, read_tunings, to_matrix
from passformer.baselines.trees import fit_savings
from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus
from passformer.dataset.prompt import Form
from passformer.llvm.passlist import OZ
from passformer.llvm.progress import Report
from passformer.methods.model import form_for
from passformer.model.exemplars import MOST, NEVER, Exemplars, size_points
from passformer.model.package import SHIPPED, open_package
from passformer.tables import track_steps
from passformer.train.config import DataSection
from passformer.train.embedding import Examples
from passformer.train.price import FOLDS, MOST_REGRESSED, PRICES, best_price
from passformer.train.retrieval import Known, embedding_for, examples_of, known_functions, nameable

Floats32 = npt.NDArray[np.float32]
Points = Callable[[Examples, Examples], tuple[Floats32, Floats32]]
"""Where functions that are learnt from stand, and those that are asked about."""
Integers = npt.NDArray[np.int64]
Outcomes = dict[float, Integers]
"""(N,) what is saved, by price."""
RESULTS = Path(__file__).parent.parent / "docs" / "results"
BUDGETS = (1, 2, 3, 5, 8)
LIMITS = (0.002, MOST_REGRESSED, 0.02, 1.0)
"""Share of all functions that lists may make larger."""
BEST_WAY = "by those near in both"


def ways(form: Form, num_answers: int, report: Report) -> dict[str, Points]:
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
        BEST_WAY: learnt(slice(None)),
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


def unverified(known: Known, examples: Examples, points: Points, lists: slice = slice(None)) -> Outcomes:
    """What is saved by one list a function, or none, at each of `PRICES`; where few lists may be named, by those."""
    chosen = [[str(OZ)] * len(PRICES)] * len(known.texts)
    for row, _, exemplars, weights in halves(known, examples, points):
        allowed = replace(exemplars, lists=exemplars.lists[lists], saved=exemplars.saved[:, lists])
        chosen[row] = allowed.best_at(weights, PRICES)
    return {price: known.outcomes(names) for price, names in zip(PRICES, zip(*chosen, strict=True), strict=True)}


def one_for_all(known: Known) -> Outcomes:
    """The list that is worth most on the other half, or none, at each of `PRICES`."""
    fold, outcomes = known.groups % FOLDS, {}
    for price in PRICES:
        outcomes[price] = np.zeros(len(fold), dtype=np.int64)
        for number in range(FOLDS):
            theirs = known.gains[fold != number]
            worth = theirs.sum(axis=0) - price * (theirs < 0).sum(axis=0)
            if price < NEVER and worth.max() > 0:
                outcomes[price][fold == number] = known.gains[fold == number, worth.argmax()]
    return outcomes


def most_probable(known: Known, examples: Examples) -> Outcomes:
    """The most probable answers whatever they risk, or none at all."""
    answers = known.exemplars.answers
    saved = known.outcomes([answers[i] for i in examples.chances.argmax(axis=1)])
    return {0.0: saved, NEVER: np.zeros_like(saved)}


def trees(known: Known, matrix: Matrix, examples: Examples, report: Report) -> Outcomes:
    """The list that gradient-boosted trees say saves most, where that is more than each of `PRICES`."""
    fold, features = known.groups % FOLDS, examples.features[:, len(known.exemplars.answers) :]
    expected, saved = np.zeros(len(fold)), np.zeros(len(fold), dtype=np.int64)
    for number in range(FOLDS):
        theirs = known.gains[fold != number]
        part = Matrix([], matrix.pass_lists, np.zeros(len(theirs), dtype=np.int64), -theirs)
        predicted = fit_savings(part, features[fold != number], report=report).predict(features[fold == number])
        expected[fold == number] = predicted.max(axis=1)
        ours = known.gains[fold == number]
        saved[fold == number] = ours[np.arange(len(ours)), predicted.argmax(axis=1)]
    return {price: np.where(expected > price, saved, 0) for price in PRICES}


def at_limit(known: Known, outcomes: Outcomes, most_regressed: float) -> dict[str, float]:
    """With the price that, on the other half, makes no more functions larger than a share of all."""
    fold, saved = known.groups % FOLDS, np.zeros(len(known.groups), dtype=np.int64)
    for number in range(FOLDS):
        price = best_price({price: o[fold != number] for price, o in outcomes.items()}, most_regressed)
        saved[fold == number] = outcomes[price][fold == number]
    return {
        "capture": round(100 * float(saved.sum() / known.gains.max(axis=1, initial=0).sum()), 2),
        "improved": int((saved > 0).sum()),
        "regressed": int((saved < 0).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--functions", type=int, default=8000)
    arguments = parser.parse_args()
    corpus, package = Corpus(arguments.corpus), open_package(arguments.model)
    matrix = to_matrix(read_broadcasts(corpus.folder / "tunings" / "default"))
    num_tuned = len(to_matrix(read_tunings([corpus.folder / "tunings" / "default"])).pass_lists)
    data = DataSection.model_validate(package.facts.recipe["config"]["data"])
    known = known_functions(corpus, matrix, nameable(package, matrix), data, arguments.functions)
    result: dict[str, Any] = {
        "llvm": corpus.manifest["llvm"],
        **provenance(),
        "functions": len(known.texts),
        "tuned_lists": num_tuned,
        "universal_lists": len(matrix.pass_lists) - num_tuned,
        "budgets": BUDGETS,
        "most": MOST,
        "most_regressed": MOST_REGRESSED,
        "limits": LIMITS,
    }
    with track_steps() as report:
        form = form_for(package, 1)
        examples = examples_of(package, form, known, report)
        result["verified"] = {"the most probable": verified(known, examples, None)} | {
            f"expected to save most, {name}": verified(known, examples, points)
            for name, points in ways(form, len(known.exemplars.answers), report).items()
        }
        form = form_for(package, 0)
        examples = examples_of(package, form, known, report)
        found = {
            name: unverified(known, examples, p) for name, p in ways(form, len(known.exemplars.answers), report).items()
        }
        near = ways(form, len(known.exemplars.answers), report)[BEST_WAY]
        rows = {
            "the most probable": most_probable(known, examples),
            "one for all functions": one_for_all(known),
            "what trees say saves most": trees(known, matrix, examples, report),
            **{f"worth most, {name}": outcomes for name, outcomes in found.items()},
        }
        if num_tuned < len(matrix.pass_lists):
            own = unverified(known, examples, near, slice(num_tuned))
            rows[f"worth most, {BEST_WAY}, of the tuner's lists"] = own
    result["unverified"] = {
        name: [at_limit(known, outcomes, limit) for limit in LIMITS] for name, outcomes in rows.items()
    }
    (RESULTS / "ranking.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
