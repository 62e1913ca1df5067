"""TransCoder's GeeksforGeeks programs: a function, and a driver that compares it with one that is to be filled in.

The second one is the same function, compiled without optimisation in a file of its own: so the driver compares
optimised with unoptimised code itself, and prints how often they agreed.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from passformer.corpus.sources import transcoder
from passformer.verify.program import Candidate

_FUNCTION = re.compile(r"^[^\n;#}]*\bf_gold\s*\([^{;]*\)", re.MULTILINE)
_STUB = re.compile(r"^[^\n;#}]*\bf_filled\s*\([^{;]*\)\s*\{\s*\}", re.MULTILINE)
_PRINTF = re.compile(r'printf\("#Results:", " ", n_success, ", ", (.*)\);')


def candidates(value: str) -> Sequence[Candidate]:
    """One program a file, C and C++; raises InputError for a folder of another layout."""
    return [
        Candidate(
            "transcoder",
            unit.name,
            _reader(unit.code, driver),
            unit.language,
            reference=_reader(unit.code, second),
            reference_function="f_filled",
        )
        for unit in transcoder.units(value, Path())
        if isinstance(unit.code, Path)
    ]


def driver(text: str) -> str:
    """The file with `f_filled` declared only; C's printf, which forgets its figures, prints them."""
    match = _FUNCTION.search(text)
    prototype = match[0].replace("f_gold", "f_filled") + ";\n" if match else ""
    text = _STUB.sub(lambda _: prototype, text).replace("//TOFILL", prototype)
    return _PRINTF.sub(r'printf("#Results: %d, %d", n_success, \1);', text)


def second(text: str) -> str:
    """The function alone, under the name `f_filled`."""
    return re.sub(r"\bf_gold\b", "f_filled", _STUB.sub("", text).partition("int main(")[0])


def _reader(path: Path, change: Callable[[str], str]) -> Callable[[], bytes]:
    return lambda: change(path.read_text(errors="replace")).encode()
