"""All methods that can be evaluated: those of the user's install, and rivals that need more."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from passformer.llvm.progress import Report, silent
from passformer.methods import registry
from passformer.methods.method import Method


@dataclass(frozen=True, slots=True)
class Options(registry.Options):
    """What methods can be told."""

    training: Path | None = None
    """A tuned corpus whose functions of train the rivals learn from."""
    report: Report = silent


def _autotuner(options: registry.Options) -> Method:
    from passformer.baselines.autotuner import Autotuner

    return Autotuner(options.seed)


def _trees(options: registry.Options) -> Method:
    from passformer.baselines.trees import TreesMethod

    assert isinstance(options, Options)
    return TreesMethod(options.training, options.seed, options.report)


def _nearest(options: registry.Options) -> Method:
    from passformer.baselines.nearest import Nearest

    assert isinstance(options, Options)
    return Nearest(options.training)


def _coreset_nvp(options: registry.Options) -> Method:
    from passformer.baselines.coreset_nvp.method import CoresetNVP

    assert isinstance(options, Options)
    return CoresetNVP(options.training)


METHODS: dict[str, Callable[[registry.Options], Method]] = {
    **registry.METHODS,
    "autotuner": _autotuner,
    "trees": _trees,
    "nearest": _nearest,
    "coreset-nvp": _coreset_nvp,
}


def identity(name: str, options: Options) -> str:
    """What a method's answers depend on beside the seed: a digest of files, so that no run goes on with others."""
    if name == "model":
        from passformer.model.package import SHIPPED

        return _digest((options.model or SHIPPED) / "model.json")
    if name == "coreset-nvp" and options.training:
        return _digest(options.training / "coreset-nvp" / "best.pt")
    return ""


def _digest(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest() if file.is_file() else ""
