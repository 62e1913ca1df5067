"""What differential testing ran, from the records that `passformer verify --out` leaves.

Usage: python benchmarks/verify_results.py 'WHAT=FOLDER/record.json'...
Adds to docs/results/verify.json, or writes it: which programs there are, and why others were left out, is that of the
first record of all.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from passformer.bench.provenance import provenance

RESULTS = Path(__file__).parent.parent / "docs" / "results"
_KEPT = ("lists", "programs", "runs", "miscompiles", "rejected", "isolated")


def reasons(record: dict[str, Any]) -> dict[str, int]:
    """Why candidates were left out, compilers' messages as one, the most frequent first."""
    counts: Counter[str] = Counter()
    for reason, count in record["reasons"].items():
        source, _, rest = reason.partition(": ")
        counts[f"{source}: {rest.partition(':')[0]}"] += count
    return dict(counts.most_common())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("records", nargs="+", metavar="NAME=FILE")
    records = {}
    for argument in parser.parse_args().records:
        name, _, file = argument.partition("=")
        records[name] = json.loads(Path(file).read_text())
    file = RESULTS / "verify.json"
    known = json.loads(file.read_text()) if file.exists() else {"records": {}}
    first = next(iter(records.values()))
    head = {key: first[key] for key in ("llvm", "by_source", "left_out")}
    result = {
        **(known if known["records"] else {**head, "reasons": reasons(first)}),
        "records": {
            **known["records"],
            **{
                name: {
                    **{key: record[key] for key in _KEPT},
                    "failures": sum(row["failures"] for row in record["records"]),
                    **provenance(),
                }
                for name, record in records.items()
            },
        },
    }
    file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
