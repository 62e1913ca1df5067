"""The stage: programs from SPECs, pass lists through all of them, reproducers of what failed, and the record."""

import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passformer.autotune.coreset import load_coreset, shipped_coreset
from passformer.corpus.files import alone, atomic
from passformer.corpus.sources import check_sample, drawn
from passformer.llvm.catalog import searched_passes
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.progress import Report, silent
from passformer.llvm.sandbox import Pool, Sandbox
from passformer.verify.differential import ListRecord, run_differential
from passformer.verify.prepare import prepare
from passformer.verify.program import Candidate, Program
from passformer.verify.reproduce import reproduce
from passformer.verify.sources import DEFAULT, read_spec


@dataclass(frozen=True, slots=True)
class Settings:
    """Which programs."""

    specs: tuple[str, ...] = DEFAULT
    sample: Mapping[str, int] | None = None
    """Kind -> at most so many of its candidates, drawn at random."""
    seed: int = 0


def verify_lists(
    pass_lists: Sequence[PassList],
    folder: Path,
    pool: Pool,
    settings: Settings = Settings(),
    report: Report = silent,
) -> dict[str, Any]:
    """Run or resume in `folder`; returns the summary, which is also saved there as `record.json`.

    Raises InputError for a SPEC that does not fit, or where `folder` holds other programs.
    """
    with alone(folder):
        programs, left_out = prepare(_candidates(settings), folder, pool, report)
        records, findings = run_differential(programs, pass_lists, folder, pool, report)
        reproducers = pool.call(lambda sandbox: reproduce(findings, folder / "reproducers", sandbox))
    summary = {
        "llvm": pool.call(Sandbox.version)["version"],
        **_summary(programs, left_out, records),
        "isolated": all(record.isolated for record in records),
        "reproducers": {r.name: str(r.pass_list) for r in reproducers},
        "folder": str(folder),
        "records": [record.to_json() for record in records],
    }
    with atomic(folder / "record.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def chosen_lists(passes: Sequence[str], coresets: Sequence[Path], each_pass: bool) -> list[PassList]:
    """What the command was asked to verify; without anything, the coresets that come along."""
    files = [load_coreset(path) for path in coresets]
    if not passes and not files and not each_pass:
        files = [shipped_coreset(objective) for objective in ("instructions", "text")]
    lists = [PassList.parse(text) for text in passes]
    lists += [pass_list for file in files for pass_list in file.pass_lists]
    if each_pass:
        lists += each_searched_pass(find_toolchain().major)
    return list(dict.fromkeys(lists))


def each_searched_pass(major: int) -> list[PassList]:
    """Every searched pass alone, and before -Oz."""
    names = [p.name for p in searched_passes(major) if p.name != "Oz"]
    return [OZ, *(PassList(names) for name in names for names in ((name,), (name, "Oz")))]


@contextlib.contextmanager
def working_folder(out: Path | None) -> Iterator[Path]:
    """`out`, or a temporary folder that stays only where a reproducer was written."""
    if out is not None:
        yield out
        return
    folder = Path(tempfile.mkdtemp(prefix="passformer-verify-"))
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            if path.name != "reproducers":
                path.unlink()
        with contextlib.suppress(OSError):
            folder.rmdir()


def _candidates(settings: Settings) -> list[Candidate]:
    sample = settings.sample or {}
    check_sample(sample, settings.specs)
    found: list[Candidate] = []
    for spec in settings.specs:
        candidates = read_spec(spec)
        if not candidates:
            raise InputError(f"{spec}: no program was found there")
        found += drawn(candidates, spec.partition(":")[0], sample, settings.seed)
    return found


def _summary(programs: Sequence[Program], left_out: Mapping[str, int], records: Sequence[ListRecord]) -> dict[str, Any]:
    return {
        "lists": len(records),
        "programs": len(programs),
        "by_source": dict(Counter(p.source for p in programs)),
        "left_out": sum(left_out.values()),
        "reasons": dict(sorted(left_out.items(), key=lambda item: -item[1])),
        "runs": sum(record.runs for record in records),
        "miscompiles": sum(record.miscompiles for record in records),
        "rejected": [str(record.pass_list) for record in records if not record.admitted],
    }
