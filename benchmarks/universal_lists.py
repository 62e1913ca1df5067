"""What universal lists do on functions that their search did not see, each used for all functions, unverified.

Usage: python benchmarks/universal_lists.py CORPUS
CORPUS has the tuning runs `default` and `universal` (docs/autotune.md). Writes docs/results/universal-lists.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from passformer.autotune.coreset import load_coreset
from passformer.autotune.tunings import read_tunings, to_matrix
from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus

RESULTS = Path(__file__).parent.parent / "docs" / "results"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    corpus = Corpus(parser.parse_args().corpus)
    tuned, universal = (to_matrix(read_tunings([corpus.folder / "tunings" / n])) for n in ("default", "universal"))
    validation = set(corpus.ids(["validation"]))
    rows = [i for i, id_ in enumerate(universal.function_ids) if id_ in validation]
    known = [i for i, id_ in enumerate(tuned.function_ids) if id_ in validation]
    total, saved = universal.baseline[rows].sum(), universal.saved(0)[rows]
    column = {p: i for i, p in enumerate(universal.pass_lists)}
    lists = [p for p in load_coreset(corpus.folder / "universal" / "lists.toml").pass_lists if p in column]
    result: dict[str, Any] = {
        "llvm": corpus.manifest["llvm"],
        **provenance(),
        "functions": len(rows),
        "tuned_lists": len(tuned.pass_lists),
        "tuned_best": float(100 * tuned.saved(0)[known].max(axis=1, initial=0).sum() / total),
        "together": float(100 * saved.max(axis=1, initial=0).sum() / total),
        "lists": [
            {
                "pass_list": str(p),
                "improvement": float(100 * saved[:, column[p]].sum() / total),
                "improved": float(100 * (saved[:, column[p]] > 0).mean()),
                "larger": float(100 * (saved[:, column[p]] < 0).mean()),
            }
            for p in lists
        ],
    }
    (RESULTS / "universal-lists.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
