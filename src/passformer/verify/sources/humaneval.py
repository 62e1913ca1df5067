"""HumanEval-X, C++: solutions with the assertions that test them (Zheng et al., 2023)."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from passformer.llvm.errors import InputError
from passformer.verify.program import Candidate

_FILE = "humaneval_cpp.jsonl.gz"
_PLACES = ("codegeex/benchmark/humaneval-x/cpp/data", "cpp/data", "data", ".")


def candidates(value: str) -> Sequence[Candidate]:
    """One program a problem, from `humaneval_cpp.jsonl.gz` in a checkout of the project."""
    file = next((path for place in _PLACES if (path := Path(value, place, _FILE)).is_file()), None)
    if file is None:
        raise InputError(f"{value}: expected HumanEval-X's {_PLACES[0]}/{_FILE} below that folder")
    try:
        rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
        return [Candidate("humaneval", row["task_id"], _text(row).encode, "c++") for row in rows]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is damaged ({error!r})") from None


def _text(row: dict[str, str]) -> str:
    """The program, printing a word at the very end, so that one that ends early does not look like one that passed."""
    body, brace, rest = row["test"].rpartition("}")
    return (
        row["declaration"]
        + row["canonical_solution"]
        + "#include <cstdio>\n"
        + f'{body}std::puts("passed");\n{brace}{rest}'
    )
