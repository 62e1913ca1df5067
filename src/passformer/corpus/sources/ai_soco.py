"""AI-SOCO: 75,000 C++ solutions by 1,000 authors (Fadel et al., 2020), in the layout of its public archive."""

import csv
from collections.abc import Sequence
from pathlib import Path

from passformer.corpus.sources import require_folder
from passformer.corpus.unit import Unit


def units(value: str, workdir: Path) -> Sequence[Unit]:
    """`train` and `dev` files, grouped by author where the CSV beside them knows one."""
    root = require_folder(value, "data_dir/train", "train").parent
    found = []
    for part in ("train", "dev"):
        authors = _authors(root / f"{part}.csv")
        files = sorted((root / part).iterdir(), key=lambda p: p.name) if (root / part).is_dir() else []
        found += [
            Unit(
                "ai-soco",
                authors.get(path.name, f"author of {path.name}"),
                f"{part}/{path.name}",
                path,
                language="c++",
                standard_headers=True,
            )
            for path in files
            if path.is_file()
        ]
    return found


def _authors(table: Path) -> dict[str, str]:
    if not table.is_file():
        return {}
    with table.open(newline="") as file:
        return {row["pid"]: row["uid"] for row in csv.DictReader(file)}
