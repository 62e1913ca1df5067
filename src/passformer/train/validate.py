"""Validation as in the paper's Figure 2: what the model's answers are worth, on functions that it was not trained on.

The pass list is run by LLVM, so an improvement is a real one. The generated IR is compared with what the list really
gives: BLEU, exact match, whether it compiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from tokenizers import Tokenizer

from passformer.corpus.normalize import normal_forms
from passformer.corpus.store import Corpus, Function, draw_order
from passformer.dataset.rows import TokenRow
from passformer.dataset.sequences import Layout, Writer
from passformer.dataset.tokens import read_tokens
from passformer.llvm.catalog import searched_passes
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Failure, Pool, Sandbox
from passformer.methods.generation import Judged, Truth, judge, measures, write_on
from passformer.model.decoding import best_first
from passformer.model.grammar import grammar_of
from passformer.model.llama import Llama
from passformer.model.torch_model import TorchModel
from passformer.train.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one function's lists."""

    row: TokenRow
    result: int
    """Instructions after the first list; -Oz's where LLVM did not survive it."""
    text: str
    """The IR after the first list."""
    verified: tuple[int, ...]
    """Instructions of the best of -Oz and the first K other lists, for K = 1, 2, ..."""


class Validator:
    """Asks a model for answers and measures them; made once a run."""

    def __init__(self, corpus: Corpus, data: Path, tokenizer: Tokenizer, config: TrainConfig, pool: Pool) -> None:
        run = config.run
        rows = sorted(read_tokens(data, "validation"), key=lambda row: draw_order(row.function_id))
        rows = rows[: run.validate_functions]
        wanted = {row.function_id for row in rows}
        functions = {f.id: f for f in corpus.functions(["validation"]) if f.id in wanted}
        self._items = [(row, functions[row.function_id]) for row in rows]
        self._major = int(corpus.manifest["llvm"].split(".")[0])
        self._pool = pool
        self._tokenizer = tokenizer
        self._forms = [form for form, _ in config.data.forms]
        self._protocol = corpus.protocol
        self._num_generated = run.generate_functions if config.data.ir_weight and config.data.ir_share else 0
        self._num_lists = run.validate_lists
        self._max_ir = config.data.max_ir
        self._writer = Writer(tokenizer, Layout(config.data.max_prompt, config.data.max_ir))
        passes = searched_passes(self._major)
        metas = [p.name for p in passes if p.kind == "meta"]
        self._grammar = grammar_of(tokenizer, [p.name for p in passes], metas)

    def __call__(self, model: Llama, step: int) -> dict[str, float]:
        """Measures of the model: percentages, but for counts of functions and BLEU (0 to 100).

        Lists are asked for in each form that it was trained on, names of measures where -Oz is not shown begin with
        `unoptimised_`; whole answers are asked for in the form that shows more.
        """
        if not self._items:
            return {}
        asked = TorchModel(model)
        figures: dict[str, float] = {}
        for form in self._forms:
            lists: list[list[PassList]] = []
            answers: list[str] = []
            for number, (row, _) in enumerate(self._items):
                prompt = self._writer.prompt(form, row).tolist()
                found = best_first(asked, prompt, self._grammar, self._num_lists + 1)  # -Oz may be among them
                lists.append([PassList(hypothesis.names) for hypothesis in found])
                if form is self._forms[-1] and number < self._num_generated:
                    answers.append(write_on(asked, self._tokenizer, self._grammar, found[0], self._max_ir + 24))
            judged = list(self._pool.map(self._judge, zip(self._items, lists, strict=True)))
            prefix = "" if form.shows_oz else "unoptimised_"
            figures |= {f"{prefix}{name}": value for name, value in _list_measures(judged).items()}
            figures |= measures(list(self._pool.map(_judge_text, zip(answers, judged, strict=False))))
        return figures

    def _judge(self, sandbox: Sandbox, item: tuple[tuple[TokenRow, Function], list[PassList]]) -> Outcome:
        (row, function), lists = item
        pipelines = [p.pipeline(self._major, self._protocol) for p in (OZ, *lists)]
        oz, *forms = sandbox.map(normal_forms, function.ir, pipelines)
        assert not isinstance(oz, Failure), "-Oz has been run on every labelled function"
        first = oz if isinstance(forms[0], Failure) else forms[0]
        others = [form for form, p in zip(forms, lists, strict=True) if p != OZ][: self._num_lists]
        counts = [oz[1] if isinstance(form, Failure) else form[1] for form in others]
        counts += [oz[1]] * (self._num_lists - len(counts))  # a model that is sure of nothing names fewer
        return Outcome(row, first[1], first[0], tuple(accumulate((oz[1], *counts), min))[1:])


def _list_measures(judged: Sequence[Outcome]) -> dict[str, float]:
    baseline, result = sum(j.row.oz_count for j in judged), sum(j.result for j in judged)
    best = sum(min((c for _, c in j.row.better), default=j.row.oz_count) for j in judged)
    verified = [sum(counts) for counts in zip(*(j.verified for j in judged), strict=True)]
    return {
        "functions": len(judged),
        "improvement": 100 * (baseline - result) / baseline,
        **{f"improvement_{k}": 100 * (baseline - sum_) / baseline for k, sum_ in enumerate(verified, 1)},
        "possible": 100 * (baseline - best) / baseline,
        "improved": sum(j.result < j.row.oz_count for j in judged),
        "regressed": sum(j.result > j.row.oz_count for j in judged),
    }


def _judge_text(sandbox: Sandbox, item: tuple[str, Outcome]) -> Judged:
    text, outcome = item
    return judge(text, Truth(outcome.row.before, outcome.result, outcome.text), sandbox)
