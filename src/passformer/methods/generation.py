"""Whole answers: what a model writes behind a pass list, and how good that is.

The counts and the optimised IR are not needed to optimise anything. They are what the paper judges its model's
understanding of the passes by (its section IV-D).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from passformer.dataset.prompt import BEGIN, END, Answer, parse_answer
from passformer.llvm.errors import InputError
from passformer.llvm.measure import read_module
from passformer.llvm.passlist import PassList
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Failure, Sandbox
from passformer.model.decoding import Grammar, Hypothesis, LanguageModel, greedy


@dataclass(frozen=True, slots=True)
class Truth:
    """What LLVM makes of a function with the list that a model named."""

    before: int
    """Instructions of the unoptimised module."""
    after: int
    ir: str
    """Normal form after the list."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer beside the truth."""

    answer: Answer | None
    """None where what was written is no answer."""
    truth: Truth
    error: str
    """LLVM's first complaint about the answer's IR; empty where it compiles."""

    @property
    def compiles(self) -> bool:
        """Whether LLVM accepts the IR."""
        return self.answer is not None and not self.error

    @property
    def exact(self) -> bool:
        """Whether the IR is, character for character, what the list gives."""
        return self.answer is not None and self.answer.ir == self.truth.ir


def write_on(
    model: LanguageModel, tokenizer: Tokenizer, grammar: Grammar, hypothesis: Hypothesis, max_tokens: int
) -> str:
    """The whole answer that begins with a list, greedily decoded, at most so many tokens behind the list."""
    end = tokenizer.token_to_id(END)
    assert end is not None, "load_tokenizer has looked"
    rest = greedy(model, hypothesis.state, [grammar.stop], end, max_tokens)
    return f"{BEGIN} {PassList(hypothesis.names)}{tokenizer.decode([grammar.stop, *rest], skip_special_tokens=False)}"


def judge(text: str, truth: Truth, sandbox: Sandbox) -> Judged:
    """Parse an answer and let LLVM read its IR."""
    try:
        answer = parse_answer(text)
    except InputError as error:
        return Judged(None, truth, str(error))
    outcome = sandbox.call(read_module, (answer.ir.encode(), Protocol.PAPER))
    if isinstance(outcome, Failure):
        return Judged(answer, truth, outcome.message)
    return Judged(answer, truth, "" if outcome.functions else "error: no function is defined")


def measures(judged: Sequence[Judged]) -> dict[str, float]:
    """Percentages of all texts; BLEU (0 to 100) and mean errors of counts in percent are of those that are answers."""
    if not judged:
        return {}
    pairs = [(j.answer, j.truth) for j in judged if j.answer is not None]
    num = len(judged)
    figures = {
        "answers": float(num),
        "well_formed": 100 * len(pairs) / num,
        "compiles": 100 * sum(j.compiles for j in judged) / num,
        "exact_match": 100 * sum(j.exact for j in judged) / num,
    }
    if pairs:
        figures["bleu"] = bleu([a.ir for a, _ in pairs], [t.ir for _, t in pairs])
        figures["before_error"] = mean_error([(a.before, t.before) for a, t in pairs])
        figures["after_error"] = mean_error([(a.after, t.after) for a, t in pairs])
    return figures


def bleu(written: Sequence[str], expected: Sequence[str]) -> float:
    """Corpus BLEU of IR texts."""
    import sacrebleu

    score: float = sacrebleu.corpus_bleu(list(written), [list(expected)], tokenize="13a", force=True).score
    return score


def mean_error(pairs: Sequence[tuple[int, int]]) -> float:
    """Mean absolute percentage error of (predicted, true)."""
    return 100 * float(np.mean([abs(predicted - true) / max(true, 1) for predicted, true in pairs]))


def kind_of_error(message: str) -> str:
    """LLVM's message without what is particular to one text: names, types and numbers."""
    last = message.rpartition("error: ")[2]
    last = re.sub(r"'[^']*'", "'...'", last)
    return re.sub(r"\s+", " ", re.sub(r"\b\d+\b", "N", last)).strip()[:90]
