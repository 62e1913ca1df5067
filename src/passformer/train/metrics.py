"""A run's figures as they come: a JSON line each, and TensorBoard."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from passformer.corpus.files import atomic


class Metrics:
    """Writes `metrics.jsonl` and `tensorboard/` in a run's folder."""

    def __init__(self, run: Path, step: int) -> None:
        """What was logged after `step`, which the run goes on from, is forgotten."""
        self._file = run / "metrics.jsonl"
        rows = [row for row in read_metrics(run) if row["step"] <= step]
        with atomic(self._file) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)

    def log(self, kind: str, place: Mapping[str, Any], figures: Mapping[str, float]) -> None:
        """One row; `place` says where the run is: step, tokens, seconds."""
        with self._file.open("a") as file:
            file.write(json.dumps({"kind": kind, **place, **figures}) + "\n")
        for name, value in figures.items():
            self._board.add_scalar(f"{kind}/{name}", value, place["step"])
        self._board.flush()

    def close(self) -> None:
        """Finish TensorBoard's file."""
        self._board.close()


def read_metrics(run: Path) -> Iterator[dict[str, Any]]:
    """The rows of a run; a torn last line is left out."""
    file = run / "metrics.jsonl"
    for line in file.read_text().splitlines() if file.exists() else []:
        with contextlib.suppress(ValueError):
            yield json.loads(line)
