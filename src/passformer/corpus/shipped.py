"""Single functions without a corpus: of a folder's files, or of the C programs that come along."""

from importlib import resources
from pathlib import Path

from passformer.corpus.extract import Extracted, extractor
from passformer.llvm.errors import InputError
from passformer.llvm.frontend import C_SUFFIXES, IR_SUFFIXES, load
from passformer.llvm.sandbox import Sandbox


def load_functions(sandbox: Sandbox, folder: Path | None, num_functions: int) -> list[bytes]:
    """Bitcode of single functions, spread evenly over a folder's files; None for the programs that come along."""
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    with resources.as_file(resources.files("passformer.bench").joinpath("programs")) as programs:
        files = sorted(p for p in (folder or programs).rglob("*") if p.suffix in C_SUFFIXES + IR_SUFFIXES)
        functions: list[bytes] = []
        for path in files:
            module = load(path, sandbox, ["-w"])
            names = [function.name for function in module.functions]
            extracted = sandbox.map(extractor, module.bitcode, names)
            functions += [f.bitcode for f in extracted if isinstance(f, Extracted)]
    if not functions:
        raise InputError(f"{folder}: no function in any {' '.join(C_SUFFIXES + IR_SUFFIXES)} file there")
    stride = max(1, len(functions) // num_functions)
    return functions[::stride][:num_functions]
