"""Jotai's benchmarks with their drivers: an option a kind of input."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from passformer.corpus.sources import jotai
from passformer.verify.program import Candidate

_OPTION = re.compile(r"^\s+(\d+)\s+[\w-]+\\n\\$", re.MULTILINE)
_BUFFER = re.compile(
    r"\b((?:unsigned |signed |const )*(?:char|short|int|long|long long|float|double)) \* (\w+) = "
    r"\(.*malloc\((\w+)\*sizeof"
)
_PRINT_BUFFER = """
static void print_buffer(const void *buffer, unsigned long size) {
    unsigned long sum = 14695981039346656037u;
    for (unsigned long i = 0; i < size; i++) sum = (sum ^ ((const unsigned char *)buffer)[i]) * 1099511628211u;
    printf("%lx\\n", sum);
}
"""


def candidates(value: str) -> Sequence[Candidate]:
    """Every benchmark below a folder; raises InputError where there is none."""
    paths = [unit.code for unit in jotai.units(value, Path()) if isinstance(unit.code, Path)]
    return [Candidate("jotai", path.name, _reader(path), inputs=_inputs(path)) for path in paths]


def function_of(name: str) -> str:
    """The function that a benchmark's file name, `extr_PATH.c_FUNCTION_Final.c`, ends with."""
    return name.removesuffix("_Final.c").rpartition(".")[2].partition("_")[2]


def _inputs(path: Path) -> tuple[tuple[str, ...], ...]:
    return tuple((option,) for option in _OPTION.findall(path.read_text(errors="replace")))


def _reader(path: Path) -> Callable[[], bytes]:
    return lambda: with_buffers_printed(path.read_text(errors="replace")).encode()


def with_buffers_printed(text: str) -> str:
    """The benchmark, printing what the function left in its buffers too: many functions return nothing.

    Only buffers of plain numbers, where no padding or address can show.
    """
    head, main, body = text.partition("int main(")
    for _, buffer, length in set(_BUFFER.findall(body)):
        body = body.replace(f"free({buffer});", f"print_buffer({buffer}, {length} * sizeof *{buffer}); free({buffer});")
    return head + _PRINT_BUFFER + main + body
