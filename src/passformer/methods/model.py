"""The language model as a method: read a module's functions, ask for their most probable pass lists, rank these.

The model knows single functions. Of a module with several the largest are asked for, and what a list is expected to
save is the sum over them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
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
    codes = [package.writer.view(view.unoptimised, view.after_oz) for view in views]
    if budget == 0 and any(package.writer.leaves_out(form, code) for code in codes):
        return Proposal((OZ,), watch.cpu_seconds)
    near = package.retrieval[form]
    weights = np.zeros(len(near.exemplars.saved))
    chances: Counter[str] = Counter()
    for view, code in zip(views, codes, strict=True):
        found = chances_of(package, package.writer.prompt(form, code).tolist(), budget)
        weights += near.posterior(found, form.codes(view.unoptimised, view.after_oz))
        chances.update(found)
    if budget == 0:
        ranked = iter([near.exemplars.best(weights, package.facts.price)])
    else:
        ranked = near.exemplars.rank(weights, chances)
    lists = (p for p in map(PassList.parse, ranked) if available(p, task.llvm))
    return Proposal(tuple(islice(lists, max(budget, 1))) or (OZ,), watch.cpu_seconds)


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


def chances_of(package: Package, prompt: Sequence[int], budget: int) -> dict[str, float]:
    """How probable the answers are: all that are one token, or the likeliest few of a model that has no such tokens."""
    if package.grammar.writes_lists:
        found = one_token_lists(package.model, prompt, package.grammar)
    else:
        number = max(budget + 1, 8)  # one more: -Oz may be among them
        found = {h.names: np.exp(h.log_probability) for h in best_first(package.model, prompt, package.grammar, number)}
    return {str(PassList(names)): float(chance) for names, chance in found.items()}
