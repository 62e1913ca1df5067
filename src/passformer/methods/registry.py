"""The methods by name. What a method needs is imported when it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from passformer.llvm.errors import InputError
from passformer.llvm.objective import Objective
from passformer.methods.method import Method


@dataclass(frozen=True, slots=True)
class Options:
    """What methods can be told."""

    seed: int = 0
    model: Path | None = None
    """A folder that `passformer export` wrote; None for the model that comes along."""


def _oz(options: Options) -> Method:
    from passformer.methods.fixed import Oz

    return Oz()


def _coreset(options: Options) -> Method:
    from passformer.methods.fixed import CoresetOrder

    return CoresetOrder()


def _neighbours(options: Options) -> Method:
    from passformer.methods.neighbours import Neighbours

    return Neighbours()


def _search(options: Options) -> Method:
    from passformer.methods.fixed import RandomLists

    return RandomLists(options.seed)


def _model(options: Options) -> Method:
    from passformer.methods.model import Model

    return Model(options.model) if options.model else Model()


METHODS: dict[str, Callable[[Options], Method]] = {
    "model": _model,
    "coreset": _coreset,
    "neighbours": _neighbours,
    "search": _search,
    "oz": _oz,
}
"""Those that need nothing beyond the user's install."""


def default_method(llvm: int, options: Options, objective: str = Objective.INSTRUCTIONS) -> str:
    """The model, where there is one for this LLVM major version, and for the objective that it has learnt."""
    if options.model:
        return "model"
    if objective == Objective.TEXT:
        return "neighbours"
    from passformer.model.package import SHIPPED, DamagedPackage, read_facts

    if not (SHIPPED / "model.json").exists():
        return "coreset"
    try:
        return "model" if read_facts(SHIPPED).llvm == llvm else "coreset"
    except DamagedPackage as error:
        raise InputError(str(error)) from None


def make_method(name: str, options: Options, methods: Mapping[str, Callable[[Options], Method]] = METHODS) -> Method:
    """Raises InputError for a name that none has."""
    if name not in methods:
        raise InputError(f"no method is called {name!r}: choose from {', '.join(methods)}")
    return methods[name](options)
