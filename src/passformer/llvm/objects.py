"""Sizes of code and read-only data in an object file, read by LLVM's own object reader (ELF, Mach-O, COFF, Wasm)."""

import ctypes
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from passformer.llvm.api import load
from passformer.llvm.module import LLVMError

_CODE = (".text", "__text", "CODE")
_MACH_O = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")
"""Magic numbers of the format that puts an underscore before each name."""
_READ_ONLY = (".rodata", ".lrodata", ".rdata", "__const", "__cstring", "__literal", "DATA")
_OTHERS = (
    ".eh_frame",
    ".gcc_except_table",
    ".ARM.ex",
    ".data",
    ".tdata",
    ".init_array",
    ".fini_array",
    ".pdata",
    ".xdata",
)


@dataclass(frozen=True, slots=True)
class ObjectSizes:
    """Bytes in one object file."""

    code: int
    """Sections of machine code: those named so, and any other that holds a function of the module."""
    read_only: int
    """Sections of read-only data (`.rodata*` and what other formats call it); unwind tables are not counted."""
    others: int
    """What else is loaded from the file: data, unwind tables."""
    functions: dict[str, int]
    """Bytes of each function, where the format records symbol sizes (ELF)."""

    @property
    def text_bytes(self) -> int:
        """The objective `text`: code and read-only data."""
        return self.code + self.read_only


def object_sizes(data: bytes, function_names: Collection[str] = ()) -> ObjectSizes:
    """Measure an object file.

    `function_names` are the definitions of the module that it was made from, for functions in sections of the user's
    own naming; those in sections of code are found without.
    """
    library = load()
    buffer = library.CreateMemoryBufferWithMemoryRangeCopy(data, len(data), b"object")
    error = ctypes.c_void_p()
    binary = library.CreateBinary(buffer, None, ctypes.byref(error))
    if not binary:
        library.DisposeMemoryBuffer(buffer)
        raise LLVMError(library.take_message(error.value))
    prefix = "_" if data[:4] in _MACH_O else ""
    symbols_of_functions = {prefix + name for name in function_names}
    try:
        functions = {
            name.removeprefix(prefix): (section, size)
            for name, section, size in _symbols(binary)
            if name in symbols_of_functions or (size and section.startswith(_CODE))
        }
        holding_functions = {section for section, _ in functions.values()}
        code = read_only = others = 0
        for name, size in _sections(binary):
            if name.startswith(_CODE) or name in holding_functions:
                code += size
            elif name.startswith(_READ_ONLY):
                read_only += size
            elif name.startswith(_OTHERS):
                others += size
        return ObjectSizes(code, read_only, others, {name: size for name, (_, size) in functions.items()})
    finally:
        library.DisposeBinary(binary)
        library.DisposeMemoryBuffer(buffer)


def _sections(binary: int) -> Iterator[tuple[str, int]]:
    library = load()
    at = library.ObjectFileCopySectionIterator(binary)
    while not library.ObjectFileIsSectionIteratorAtEnd(binary, at):
        yield _decode(library.GetSectionName(at)), library.GetSectionSize(at)
        library.MoveToNextSection(at)
    library.DisposeSectionIterator(at)


def _symbols(binary: int) -> Iterator[tuple[str, str, int]]:
    """(name, name of the section that holds it, size) of each defined symbol."""
    library = load()
    at = library.ObjectFileCopySymbolIterator(binary)
    section = library.ObjectFileCopySectionIterator(binary)
    while not library.ObjectFileIsSymbolIteratorAtEnd(binary, at):
        library.MoveToContainingSection(section, at)
        if not library.ObjectFileIsSectionIteratorAtEnd(binary, section):
            holder = _decode(library.GetSectionName(section))
            yield _decode(library.GetSymbolName(at)), holder, library.GetSymbolSize(at)
        library.MoveToNextSymbol(at)
    library.DisposeSectionIterator(section)
    library.DisposeSymbolIterator(at)


def _decode(name: bytes | None) -> str:
    return (name or b"").decode(errors="replace")
