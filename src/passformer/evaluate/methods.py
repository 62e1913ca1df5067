"""All methods that can be evaluated: those of the user's install, and rivals that need more."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import passformer.baselines
from passformer.llvm.progress import Report, silent
from passformer.methods import registry
from passformer.methods.method import Method

SHIPPED = Path(passformer.baselines.__file__).parent / "weights"
"""Trained rivals that come along, each in a folder with the name of its package: `autophase`, `coreset_nvp`."""


@dataclass(frozen=True, slots=True)
class Options(registry.Options):
    """What methods can be told."""

    training: Path | None = None
    """A tuned corpus whose functions of train the rivals learn from."""
    report: Report = silent
    trained: Path | None = None
    """A folder that `passformer METHOD train` wrote; None for the one called as the method below `training`, or the one
    that comes along."""


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


def _autophase(options: registry.Options) -> Method:
    from passformer.baselines.autophase.method import AutoPhase

    assert isinstance(options, Options)
    return AutoPhase(_trained("autophase", options))


def _coreset_nvp(options: registry.Options) -> Method:
    from passformer.baselines.coreset_nvp.method import CoresetNVP

    assert isinstance(options, Options)
    return CoresetNVP(_trained("coreset-nvp", options))


def _trained(name: str, options: Options) -> Path:
    """The folder of a trained rival: the one that is named, the training corpus's own, the one that comes along."""
    own = options.training / name if options.training else None
    return options.trained or (own if own and own.exists() else SHIPPED / name.replace("-", "_"))


METHODS: dict[str, Callable[[registry.Options], Method]] = {
    **registry.METHODS,
    "autotuner": _autotuner,
    "trees": _trees,
    "nearest": _nearest,
    "autophase": _autophase,
    "coreset-nvp": _coreset_nvp,
}


_BEST = {"autophase": "best.npz", "coreset-nvp": "best.pt"}
"""What answers of a trained rival depend on, in its folder."""
_LEARNT = {"trees": "tunings/default/tunings.parquet", "nearest": "dataset/tokens-train.parquet"}
"""What a rival that learns anew each time learns from, in the training corpus."""


def identity(name: str, options: Options) -> str:
    """What a method's answers depend on beside the seed: a digest of files, so that no run goes on with others."""
    if name == "model":
        from passformer.model.package import SHIPPED

        return _digest((options.model or SHIPPED) / "model.json")
    if name in _BEST:
        return _digest(_trained(name, options) / _BEST[name])
    return _digest(options.training / _LEARNT[name]) if options.training and name in _LEARNT else ""


def _digest(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest() if file.is_file() else ""
