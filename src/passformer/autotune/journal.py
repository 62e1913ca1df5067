"""An append-only file of finished work: one JSON object a line, whole or absent, so that a killed run can go on."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from passformer.llvm.errors import InputError


class Journal:
    """Records keyed by `id`. One writer; a line that a kill tore is ignored and overwritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: set[str] = set()
        """Ids of the records that are there."""
        whole = 0
        for record, end in self._lines():
            self.done.add(record["id"])
            whole = end
        if path.exists():
            os.truncate(path, whole)

    def append(self, record: dict[str, Any]) -> None:
        """Write a record through to the kernel, in one call, so that killing this process cannot lose it."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror}; run again to go on") from None
        self.done.add(record["id"])

    def records(self) -> Iterator[dict[str, Any]]:
        """All whole records, in the order of writing."""
        for record, _ in self._lines():
            yield record

    def _lines(self) -> Iterator[tuple[dict[str, Any], int]]:
        """(record, offset of its end) of each line up to the first that is not whole."""
        if not self.path.exists():
            return
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                try:
                    record = json.loads(line)
                except ValueError:
                    return
                end += len(line)
                yield record, end
