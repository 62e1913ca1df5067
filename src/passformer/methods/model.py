"""The language model as a method: read a module's functions, ask for their most probable pass lists, rank these.

The model knows single functions. Of a module with several the largest are asked for, and a list counts with its
probability for each, weighted by the function's size.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from passformer.corpus.extract import Extracted, extractor
from passformer.corpus.normalize import normal_forms
from passformer.dataset.prompt import Form
from passformer.llvm.errors import InputError
from passformer.llvm.measure import read_module
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Failure, Pool, Sandbox
from passformer.methods.method import Proposal, Stopwatch, Task, available
from passformer.model.decoding import best_first, one_token_lists
from passformer.model.package import SHIPPED, DamagedPackage, Package, open_package

MAX_FUNCTIONS = 12
"""Of one module that the model is asked about, the largest first."""


@dataclass(frozen=True, slots=True)
class View:
    """One function as the model is shown it."""

    unoptimised: str
    """Normal form."""
    after_oz: str
    """Normal form; empty where -Oz was not run."""
    instructions: int
    """Before any optimisation."""


class Model:
    """An exported model; opened once, and shared by all threads."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        self._folder = folder

    def propose(self, tasks: Sequence[Task], budget: int, pool: Pool) -> Iterator[Proposal]:
        """See `Method`. Raises InputError for damaged weights, or those of another LLVM version."""
        package = self.package
        for task in tasks[:1]:
            if task.llvm != package.facts.llvm:
                raise InputError(
                    f"the model in {self._folder} was trained on LLVM {package.facts.llvm}, and this is LLVM "
                    f"{task.llvm}: use --method coreset, or set PASSFORMER_LLVM to an LLVM {package.facts.llvm}"
                )
        return pool.map(partial(_propose_one, package, budget), tasks)

    @property
    def package(self) -> Package:
        """Raises InputError for damaged weights."""
        try:
            return _opened(self._folder)
        except DamagedPackage as error:
            raise InputError(str(error)) from None


_opened = cache(open_package)


def _propose_one(package: Package, budget: int, sandbox: Sandbox, task: Task) -> Proposal:
    watch = Stopwatch(sandbox)
    form = form_for(package, budget)
    views = views_of(task, form.shows_oz, sandbox)
    if not views:  # nothing in it that LLVM can split off
        return Proposal((OZ,), watch.cpu_seconds)
    scores: Counter[PassList] = Counter()
    for view in views:
        for pass_list, probability in _ask(package, form, view, budget):
            scores[pass_list] += probability * view.instructions  # type: ignore[assignment]
    lists = sorted((p for p in scores if available(p, task.llvm)), key=lambda p: (-scores[p], len(p), str(p)))
    if budget > 0:
        lists = [p for p in lists if p != OZ][:budget]
    return Proposal(tuple(lists[: max(budget, 1)]) or (OZ,), watch.cpu_seconds)


def form_for(package: Package, budget: int) -> Form:
    """The form to ask in: IR after -Oz is there for nothing where -Oz is run anyway, that is with a budget."""
    forms = package.facts.forms
    suitable = [form for form in forms if form.shows_oz == (budget > 0)]
    return (*suitable, *forms)[0]


def views_of(task: Task, with_oz: bool, sandbox: Sandbox) -> list[View]:
    """The largest functions of a module; those that LLVM fails on are left out."""
    facts = sandbox.call(read_module, (task.ir, task.protocol))
    if isinstance(facts, Failure):
        return []
    largest = sorted(facts.functions, key=lambda f: (-f.num_instructions, f.name))[:MAX_FUNCTIONS]
    wanted = {f.name for f in largest}
    names = [f.name for f in facts.functions if f.name in wanted]  # in the module's order, which extraction likes
    functions = [e for e in sandbox.map(extractor, facts.bitcode, names) if isinstance(e, Extracted)]
    pipelines = ["", OZ.pipeline(task.llvm, task.protocol)] if with_oz else [""]
    views = []
    for function in functions:
        forms = list(sandbox.map(normal_forms, function.bitcode, pipelines))
        if not any(isinstance(form, Failure) for form in forms):
            texts = [form[0] for form in forms if not isinstance(form, Failure)]
            views.append(View(texts[0], texts[1] if with_oz else "", function.instructions))
    return views


def _ask(package: Package, form: Form, view: View, budget: int) -> list[tuple[PassList, float]]:
    """The model's lists for a function with their probabilities.

    Without a budget it is one: the list that is expected to save most, -Oz where none is, or the prompt had to be cut.
    """
    writer = package.writer
    code = writer.view(view.unoptimised, view.after_oz)
    if budget == 0 and writer.is_cut(form, code):
        return [(OZ, 1.0)]
    prompt = writer.prompt(form, code).tolist()
    if budget == 0:
        chosen, saved = package.savings.best(chances_of(package, prompt))
        return [(PassList.parse(chosen) if saved > package.facts.caution else OZ, 1.0)]
    found = best_first(package.model, prompt, package.grammar, budget + 1)  # one more: -Oz may be among them
    return [(PassList(h.names), float(np.exp(h.log_probability))) for h in found]


def chances_of(package: Package, prompt: Sequence[int]) -> dict[str, float]:
    """How probable each answer is, for what `package.savings` makes of it."""
    found = one_token_lists(package.model, prompt, package.grammar)
    return {str(PassList(names)): chance for names, chance in found.items()}
