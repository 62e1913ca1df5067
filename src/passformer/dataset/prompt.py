"""Prompts and answers: the only place that knows how they are written.

The answer is the paper's (its Figure 1): the pass list, the instruction counts before and after, the optimised IR. The
prompt comes in four forms. `paper` shows the unoptimised IR alone. `both` shows the IR after -Oz first, then the
unoptimised one: what -Oz leaves behind tells more about what another list could still save, and it is short, so that
it survives where a long prompt is cut at its end. `counted` says before these two how often each opcode stands in
either, of which a long prompt shows only the beginning; `compact` shows these counts and the IR after -Oz.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from passformer.dataset.opcodes import count_lines
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList

IR, OZ_IR, COUNTS, ANSWER, END = "<ir>", "<oz>", "<counts>", "<answer>", "<end>"
"""Tokens of their own: what follows is unoptimised IR, IR after -Oz, opcode counts, the answer; nothing."""

BEGIN = "Run passes"
"""What opens every answer; the list follows."""
AFTER_LIST = " to reduce instruction count from "
"""What follows the list; the counts come next."""
_ANSWER = re.compile(rf"{BEGIN} ((?:-[\w-]+ ?)*){AFTER_LIST}(\d+) to (\d+):\n\n", re.ASCII)


class Form(StrEnum):
    """What a prompt shows."""

    PAPER = "paper"
    BOTH = "both"
    COUNTED = "counted"
    COMPACT = "compact"


PARTS = {
    Form.PAPER: (IR,),
    Form.BOTH: (OZ_IR, IR),
    Form.COUNTED: (COUNTS, OZ_IR, IR),
    Form.COMPACT: (COUNTS, OZ_IR),
}
"""What each form shows, by the marks that open it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is asked for."""

    pass_list: PassList
    before: int
    """Instructions of the unoptimised module."""
    after: int
    """Instructions after the pass list."""
    ir: str
    """The optimised module's normal form."""

    def __str__(self) -> str:
        return f"{BEGIN} {self.pass_list}{self.counts()}{self.ir}"

    def counts(self) -> str:
        """What stands between pass list and IR."""
        return f"{AFTER_LIST}{self.before} to {self.after}:\n\n"


def write_prompt(form: Form, unoptimised: str, after_oz: str) -> str:
    """The prompt for normal forms of one module; `after_oz` is not looked at in form `paper`."""
    texts = {COUNTS: count_lines(unoptimised, after_oz), OZ_IR: after_oz, IR: unoptimised}
    return "".join(f"{mark}{texts[mark]}" for mark in PARTS[form]) + ANSWER


def parse_answer(text: str) -> Answer:
    """Of exactly the text that `str(Answer)` gives; raises InputError for any other."""
    match = _ANSWER.match(text)
    if not match:
        raise InputError(f"no answer: {text[:80]!r}")
    return Answer(PassList.parse(match[1]), int(match[2]), int(match[3]), text[match.end() :])
