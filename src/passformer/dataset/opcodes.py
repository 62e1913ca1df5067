"""How often each opcode stands in a function: one line that says at a glance what a reader would have to count."""

from collections import Counter

_CALLS = {"tail", "musttail", "notail"}
_CONTINUED = ("to label ", "cleanup", "catch ", "filter ", "]")
"""How lines begin that go on with the instruction of the line before."""


def opcode_counts(ir: str) -> Counter[str]:
    """Opcode -> instructions, of the definitions in a normal form."""
    counts: Counter[str] = Counter()
    inside = in_switch = False
    for line in ir.splitlines():
        if not inside:
            inside = line.startswith("define ")
        elif line == "}":
            inside = False
        elif in_switch:
            in_switch = line != "]"
        elif not line.startswith(_CONTINUED) and not line.endswith(":"):
            word = (line.partition(" = ")[2] if line.startswith("%") else line).split()[0]
            counts["call" if word in _CALLS else word] += 1
            in_switch = word == "switch" and line.endswith("[")
    return counts


def opcode_line(ir: str) -> str:
    """`12: add 2 br 1 ...`, ending with a newline: the total, then opcodes in alphabetical order."""
    counts = opcode_counts(ir)
    return f"{counts.total()}: {' '.join(f'{name} {number}' for name, number in sorted(counts.items()))}\n"
