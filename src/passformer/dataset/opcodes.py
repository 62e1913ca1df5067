"""How often each opcode stands in a function: lines that say at a glance what a reader would have to count."""

from bisect import bisect_right
from collections import Counter

STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""What numbers are rounded down to."""
# fmt: off
OPCODES = (
    "add", "addrspacecast", "alloca", "and", "ashr", "atomicrmw", "bitcast", "br", "call", "callbr", "catchpad",
    "catchret", "catchswitch", "cleanuppad", "cleanupret", "cmpxchg", "extractelement", "extractvalue", "fadd", "fcmp",
    "fdiv", "fence", "fmul", "fneg", "fpext", "fptosi", "fptoui", "fptrunc", "freeze", "frem", "fsub", "getelementptr",
    "icmp", "indirectbr", "insertelement", "insertvalue", "inttoptr", "invoke", "landingpad", "load", "lshr", "mul",
    "or", "phi", "ptrtoint", "resume", "ret", "sdiv", "select", "sext", "shl", "shufflevector", "sitofp", "srem",
    "store", "sub", "switch", "trunc", "udiv", "uitofp", "unreachable", "urem", "va_arg", "xor", "zext",
)
# fmt: on
"""Mnemonics, as the LLVM Language Reference names them."""
BLOCKS = "block"
"""What the basic blocks are called among them."""
AFTER_OZ = "oz."
"""What a word begins with that is of the code after -Oz."""
_NAMES = frozenset((*OPCODES, BLOCKS))
_TERMINATORS = (
    *("br", "callbr", "catchret", "catchswitch", "cleanupret", "indirectbr", "invoke", "resume", "ret", "switch"),
    "unreachable",
)

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


def count_lines(unoptimised: str, after_oz: str) -> str:
    """`12: add*2 br*1 ...` for the unoptimised normal form, and `7: oz.add*1 ...` for the one after -Oz.

    A line is the exact total, then a word for each opcode in alphabetical order, and for the basic blocks. The number
    in a word is rounded down to one of STEPS: each word is a token of its own, so that a model need not learn to read
    digits before it can tell a loop of loads from a chain of additions.
    """
    return _line(unoptimised, "") + _line(after_oz, AFTER_OZ)


def count_words() -> list[str]:
    """Every word that count lines may hold, with the space before it."""
    names = (*OPCODES, BLOCKS)
    return [f" {mark}{name}*{step}" for mark in ("", AFTER_OZ) for name in names for step in STEPS]


def _line(ir: str, mark: str) -> str:
    counts = opcode_counts(ir)
    total = counts.total()
    if counts:
        counts[BLOCKS] = sum(counts[name] for name in _TERMINATORS)
    words = (f" {mark}{name}*{_rounded(number)}" for name, number in sorted(counts.items()) if name in _NAMES)
    return f"{total}:{''.join(words)}\n"


def _rounded(number: int) -> int:
    return STEPS[bisect_right(STEPS, number) - 1]
