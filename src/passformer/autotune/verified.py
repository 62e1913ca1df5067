"""The record of what pass lists were put through by `verify`: what ships beside a coreset, and what admits labels."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ, PassList


@dataclass(frozen=True, slots=True)
class Entry:
    """What one pass list was put through."""

    programs: int
    """Programs that were compiled with it and ran."""
    runs: int
    """Executions; one of an executable that several lists give counts with the first of them alone."""
    miscompiles: int
    """Programs that behaved otherwise than their references."""

    @property
    def admitted(self) -> bool:
        """Whether code may be shipped that was made by it."""
        return self.programs > 0 and self.miscompiles == 0


@dataclass(frozen=True, slots=True)
class Verified:
    """A record: which LLVM and programs, and the entry of each pass list that was tried."""

    llvm: str
    """Full version."""
    programs: int
    by_source: Mapping[str, int]
    """Where they come from."""
    left_out: int
    """Candidates that were no use, because their references differ or they do not run."""
    entries: Mapping[PassList, Entry]

    def admits(self, pass_list: PassList) -> bool:
        """Whether it ran, and no program behaved otherwise. -Oz, the fall-back of everything, is always admitted."""
        entry = self.entries.get(pass_list)
        return pass_list == OZ or (entry is not None and entry.admitted)

    def of(self, pass_lists: Iterable[PassList]) -> "Verified":
        """The record of these lists alone."""
        return replace(self, entries={p: self.entries[p] for p in pass_lists if p in self.entries})

    def to_json(self) -> str:
        """What `read_record` reads back."""
        rows = [{"pass_list": str(p), **asdict(entry)} for p, entry in self.entries.items()]
        head = {
            "llvm": self.llvm,
            "programs": self.programs,
            "by_source": dict(self.by_source),
            "left_out": self.left_out,
        }
        return json.dumps({**head, "records": rows}, indent=1) + "\n"


def record_beside(coreset: Path) -> Path:
    """Where the record of a coreset file lies."""
    return coreset.with_suffix(".verified.json")


def read_record(path: Path) -> Verified:
    """Of the `record.json` that `verify --out` writes; raises InputError where it is missing or damaged."""
    try:
        data = json.loads(path.read_text())
        entries = {
            PassList.parse(row["pass_list"]): Entry(row["programs"], row["runs"], row["miscompiles"])
            for row in data["records"]
        }
        return Verified(data["llvm"], data["programs"], data["by_source"], data["left_out"], entries)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: `passformer verify --out DIR` writes DIR/record.json") from None
    except (ValueError, LookupError, TypeError, AttributeError, InputError) as error:
        raise InputError(f"{path} is no record of `passformer verify` ({error!r})") from None


def read_records(paths: Sequence[Path]) -> Verified:
    """Several as one: what is said of all is said by the one with the most programs, of a list by the last one."""
    records = [read_record(path) for path in paths]
    versions = {record.llvm for record in records}
    if len(versions) > 1:
        raise InputError(f"the records are of LLVM {' and '.join(sorted(versions))}: verify all with one version")
    largest = max(records, key=lambda record: record.programs)
    return replace(largest, entries={p: entry for record in records for p, entry in record.entries.items()})
