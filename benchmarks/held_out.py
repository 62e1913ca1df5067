"""Links to the programs of the first groups that a corpus would hold out, without compiling the others.

Usage: python benchmarks/held_out.py OUT [--share 0.02] KIND:PATH...   (KIND: jotai, poj-104, ai-soco, transcoder)
Writes OUT/KIND, laid out like PATH, with the groups (authors, problems, projects) that `corpus build` takes first for
test. A share below its own, measured in programs, stays within the test split of every corpus that was built from many
of these programs, so also of the one that the shipped model learnt from. Then:

    passformer corpus build jotai:PATH poj-104:PATH ... --sample poj-104=3000 ... --out data/train
    passformer corpus build jotai:OUT/jotai poj-104:OUT/poj-104 ... --out data/test --split test --without data/train
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from passformer.corpus.sources import read_spec
from passformer.corpus.split import split_groups
from passformer.corpus.unit import Unit

_TABLES = "*.csv"
"""What AI-SOCO's importer reads authors from."""


def held_out(units: Sequence[Unit], share: float) -> list[Unit]:
    """The units of the groups that come first in the order of the split, up to a share of all units."""
    splits = split_groups([(unit.source, unit.group) for unit in units], test_share=share)
    return [unit for unit in units if splits[unit.source, unit.group] == "test"]


def link(unit: Unit, root: Path, out: Path) -> None:
    path = unit.code if isinstance(unit.code, Path) else unit.code.args[0]  # type: ignore[attr-defined]
    place = out / path.relative_to(root)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(path.resolve())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("specs", nargs="+", metavar="KIND:PATH")
    parser.add_argument("--share", type=float, default=0.02)
    arguments = parser.parse_args()
    for spec in arguments.specs:
        kind, _, path = spec.partition(":")
        units = read_spec(spec, arguments.out)
        chosen = held_out(units, arguments.share)
        for unit in chosen:
            link(unit, Path(path), arguments.out / kind)
        for table in Path(path).rglob(_TABLES):
            place = arguments.out / kind / table.relative_to(path)
            if place.parent.is_dir():
                place.symlink_to(table.resolve())
        print(f"{kind}: {len(chosen)} of {len(units)} programs, {len({unit.group for unit in chosen})} groups")


if __name__ == "__main__":
    main()
