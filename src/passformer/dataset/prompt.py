"""Prompts and answers: the only place that knows how they are written.

The answer is the paper's (its Figure 1): the pass list, the instruction counts before and after, the optimised IR. The
prompt comes in five forms. `paper` shows the unoptimised IR alone, and `bare` says before it how often each opcode
stands in it: these two can be asked before anything has been compiled. `both` shows the IR after -Oz first, then the
unoptimised one: what -Oz leaves behind tells more about what another list could still save, and it is short, so that
it survives where a long prompt is cut at its end. `counted` says before these two how often each opcode stands in
either, of which a long prompt shows only the beginning; `compact` shows these counts and the IR after -Oz.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

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
    BARE = "bare"
    BOTH = "both"
    COUNTED = "counted"
    COMPACT = "compact"

    @property
    def shows_oz(self) -> bool:
        """Whether -Oz must have been run."""
        return any(part in (_COUNTS, _OZ_IR) for part in PARTS[self])

    @property
    def opens_with_counts(self) -> bool:
        """Whether all code is counted before any is shown: of long code, the IR that follows is an excerpt."""
        return PARTS[self][0].mark == COUNTS

    def codes(self, unoptimised: str, after_oz: str) -> tuple[str, ...]:
        """The normal forms that the prompt speaks of, if only in counts."""
        return (unoptimised, after_oz) if self.shows_oz else (unoptimised,)


class Part(NamedTuple):
    """Of a prompt."""

    mark: str
    """What opens it."""
    text: str
    """What follows: `unoptimised` or `after_oz` code, its `counts`, or `counts_before`, those before -Oz alone."""


_IR, _OZ_IR = Part(IR, "unoptimised"), Part(OZ_IR, "after_oz")
_COUNTS, _COUNTS_BEFORE = Part(COUNTS, "counts"), Part(COUNTS, "counts_before")
PARTS = {
    Form.PAPER: (_IR,),
    Form.BARE: (_COUNTS_BEFORE, _IR),
    Form.BOTH: (_OZ_IR, _IR),
    Form.COUNTED: (_COUNTS, _OZ_IR, _IR),
    Form.COMPACT: (_COUNTS, _OZ_IR),
}
"""What each form shows."""


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
    """The prompt for normal forms of one module; `after_oz` is looked at only in a form that `shows_oz`."""
    counts = count_lines(unoptimised, after_oz)
    texts = {
        "unoptimised": unoptimised,
        "after_oz": after_oz,
        "counts": counts,
        "counts_before": counts[: counts.index("\n") + 1],
    }
    return "".join(f"{part.mark}{texts[part.text]}" for part in PARTS[form]) + ANSWER


def parse_answer(text: str) -> Answer:
    """Of exactly the text that `str(Answer)` gives; raises InputError for any other."""
    match = _ANSWER.match(text)
    if not match:
        raise InputError(f"no answer: {text[:80]!r}")
    return Answer(PassList.parse(match[1]), int(match[2]), int(match[3]), text[match.end() :])
