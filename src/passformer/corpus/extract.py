"""One function, one module: what it calls is declared, the constants it reads keep their values.

Runs in a sandbox worker: `sandbox.map(extractor, ir, names)`.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from passformer.corpus.normalize import function_id, normalize
from passformer.llvm.api import load
from passformer.llvm.module import LLVMError, Module

_AVAILABLE_EXTERNALLY, _EXTERNAL, _INTERNAL, _PRIVATE = 1, 0, 8, 9  # LLVMLinkage
_ROOTS = (b"llvm.used", b"llvm.compiler.used", b"llvm.global_ctors", b"llvm.global_dtors")


@dataclass(frozen=True, slots=True)
class Extracted:
    """A function by itself."""

    id: str
    """Of its normal form."""
    name: str
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
        _drop_roots_and_aliases(module)

        def extract(name: str) -> Extracted:
            with module.clone() as copy:
                _isolate(copy, name)
                copy.verify()
                return Extracted(function_id(normalize(copy.text()), name), name, copy.bitcode(), copy.num_instructions)

        yield extract


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


def _isolate(module: Module, name: str) -> None:
    library = load()
    wanted = library.GetNamedFunction(module.handle, name.encode())
    if not wanted or not library.GetFirstBasicBlock(wanted):
        raise LLVMError(f"no function {name} is defined in the module")
    others = [function for function in module.definitions() if function != wanted]
    variables = list(module.variables())
    for value in [wanted, *others, *variables]:
        library.SetComdat(value, None)
    changeable = [v for v in variables if not library.IsGlobalConstant(v)]
    for value in [*others, *changeable]:
        library.SetVisibility(value, 0)
        library.SetLinkage(value, _AVAILABLE_EXTERNALLY)
    module.run("elim-avail-extern,globaldce")
    for constant in module.variables():
        if library.GetLinkage(constant) not in (_INTERNAL, _PRIVATE):
            library.SetVisibility(constant, 0)
            library.SetLinkage(constant, _AVAILABLE_EXTERNALLY)
    module.run("globaldce,strip-dead-prototypes")
