"""One function, one module: what it calls is declared, the constants it reads keep their values.

Runs in a sandbox worker: `sandbox.map(extractor, ir, names)`.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from typing import Self

from passformer.corpus.normalize import function_id, normalize, text_id
from passformer.llvm.api import load
from passformer.llvm.module import LLVMError, Module

_AVAILABLE_EXTERNALLY, _EXTERNAL, _INTERNAL, _PRIVATE = 1, 0, 8, 9  # LLVMLinkage
_ROOTS = (b"llvm.used", b"llvm.compiler.used", b"llvm.global_ctors", b"llvm.global_dtors")


@dataclass(frozen=True, slots=True)
class Extracted:
    """A function by itself, or a whole module."""

    id: str
    """Of its normal form."""
    name: str
    """The function's, or the file's."""
    bitcode: bytes
    instructions: int


@contextlib.contextmanager
def extractor(ir: bytes) -> Iterator[Callable[[str], Extracted]]:
    """Function name -> a module that defines this function alone, with all its attributes.

    The function becomes external (a static one would be deleted as unused). Other functions and variables become
    declarations. Constants keep their initialisers, so that the optimiser may still fold them; those that other
    files could see become `available_externally`, so that they are folded but not emitted twice.
    """
    with Module.parse(ir) as module:
        if load().GetFirstGlobalIFunc(module.handle):
            raise LLVMError("modules with ifuncs cannot be split")
        load().StripModuleDebugInfo(module.handle)
        load().SetSourceFileName(module.handle, b"", 0)  # where the file lay is nobody's business
        _drop_roots_and_aliases(module)
        with _Groups(module) as groups:

            def extract(name: str) -> Extracted:
                with groups.clone_with(name) as copy:
                    _isolate(copy, name)
                    copy.verify()
                    id_ = function_id(normalize(copy.text()), name)
                    return Extracted(id_, name, copy.bitcode(), copy.num_instructions)

            yield extract


def whole_module(request: tuple[bytes, str]) -> Extracted:
    """(IR, name) -> the module as it is, but for debug information and where its file lay."""
    ir, name = request
    with Module.parse(ir) as module:
        load().StripModuleDebugInfo(module.handle)
        load().SetSourceFileName(module.handle, b"", 0)
        return Extracted(text_id(normalize(module.text())), name, module.bitcode(), module.num_instructions)


class _Groups:
    """Clones of parts of a module: a clone of all of it for each of its functions would cost quadratic time.

    The functions are taken in groups of about the square root of their number. One group's clone is kept, from which
    those of single functions are made; so functions are best asked for in the order of the module.
    """

    def __init__(self, module: Module) -> None:
        self._module = module
        self._names = [function.name for function in module.functions()]
        self._position = {name: i for i, name in enumerate(self._names)}
        self._size = max(8, math.isqrt(len(self._names)))
        self._number = -1
        self._group = module

    def clone_with(self, name: str) -> Module:
        """A module with this function and perhaps others; raises LLVMError where it is not defined."""
        if name not in self._position:
            raise LLVMError(f"no function {name} is defined in the module")
        if len(self._names) <= self._size:
            return self._module.clone()
        number = self._position[name] // self._size
        if number != self._number:
            self._close()
            self._group, self._number = self._module.clone(), number
            _keep(self._group, set(self._names[number * self._size : (number + 1) * self._size]))
        return self._group.clone()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._group is not self._module:
            self._group.close()
        self._group, self._number = self._module, -1


def _drop_roots_and_aliases(module: Module) -> None:
    library = load()
    for root in _ROOTS:
        if variable := library.GetNamedGlobal(module.handle, root):
            library.DeleteGlobal(variable)
    for alias in module.aliases():
        library.ReplaceAllUsesWith(alias, library.AliasGetAliasee(alias))
        library.SetVisibility(alias, 0)
        library.SetLinkage(alias, _INTERNAL)
    for function in module.definitions():  # or the next line would delete those that nothing uses any more
        library.SetLinkage(function, _EXTERNAL)
    module.run("globaldce")


def _keep(module: Module, names: Set[str]) -> None:
    """Make declarations of all functions but these."""
    library = load()
    for function, facts in zip(list(module.definitions()), module.functions(), strict=True):
        library.SetComdat(function, None)
        if facts.name not in names:
            library.SetVisibility(function, 0)
            library.SetLinkage(function, _AVAILABLE_EXTERNALLY)
    module.run("elim-avail-extern,globaldce")


def _isolate(module: Module, name: str) -> None:
    library = load()
    for variable in list(module.variables()):
        library.SetComdat(variable, None)
        if not library.IsGlobalConstant(variable):
            library.SetVisibility(variable, 0)
            library.SetLinkage(variable, _AVAILABLE_EXTERNALLY)
    _keep(module, {name})
    for constant in module.variables():
        if library.GetLinkage(constant) not in (_INTERNAL, _PRIVATE):
            library.SetVisibility(constant, 0)
            library.SetLinkage(constant, _AVAILABLE_EXTERNALLY)
    module.run("globaldce,strip-dead-prototypes")
