"""The C programs that come along: each compiled with its self-test as `main`."""

from collections.abc import Sequence
from importlib import resources

from passformer.verify.program import Candidate


def candidates(value: str) -> Sequence[Candidate]:
    """All of `passformer/bench/programs`, or the one of that name."""
    folder = resources.files("passformer.bench").joinpath("programs")
    return [
        Candidate("shipped", file.name, file.read_bytes, flags=("-DSELF_TEST",))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".c") and value in ("all", file.name.removesuffix(".c"))
    ]
