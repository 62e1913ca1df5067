"""One text for functions that a reader would call the same (the paper's section II-B): what a model is shown.

It is not the function itself: the target and some attributes and metadata that optimisers do look at are gone, so
measure on the bitcode. Gone: comments, debug metadata and all other metadata attachments, attributes, the module's
header lines, indentation. Kept: newlines, everything that changes what the code does (linkage, calling conventions,
`byval`, `sret`, alignment of memory accesses, constants). The result still parses.
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator

from passformer.llvm.module import Module

_DROPPED_LINES = re.compile(r"(;|source_filename\b|target (datalayout|triple)\b|attributes #|#dbg_|uselistorder)")
_TOKENS = re.compile(
    r"""
      (?P<string>c?"[^"]*")                                     # quoted names and string constants stay as they are
    | (?P<comment>;.*)
    | (?P<attachment>,?[ \t]*![a-zA-Z_][\w.\-]*[ \t]+!(?:\d+|\w*\{[^}]*\}))   # !tbaa !5
    | (?P<group>[ \t]*\#\d+)                                    # attribute group #0
    | (?P<word>[ \t]*(?<![\w.$%@-])(?:dso_local|local_unnamed_addr|unnamed_addr|noundef)(?![\w.$-]))
    | (?P<space>[ \t]+)
    """,
    re.VERBOSE,
)
_METADATA_LINE = re.compile(r"!(\d+|[\w.\-]+) = ")
_METADATA_OPERAND = re.compile(r"metadata !(\d+)|!(\d+)")


def normalize(text: str) -> str:
    """The normal form of IR text; normalising twice changes nothing."""
    lines = []
    metadata: dict[str, str] = {}
    for raw in text.split("\n"):
        line = raw.strip()
        if not line or _DROPPED_LINES.match(line):
            continue
        line = _TOKENS.sub(_replace, line).strip()
        if named := _METADATA_LINE.match(line):
            metadata[named[1]] = line
        elif line:
            lines.append(line)
    return "\n".join([*lines, *_needed(lines, metadata)]) + "\n"


@contextlib.contextmanager
def normal_forms(ir: bytes) -> Iterator[Callable[[str], tuple[str, int]]]:
    """Pipeline -> (normal form, instructions) of the module after it; in a worker."""
    with Module.parse(ir) as module:

        def run(pipeline: str) -> tuple[str, int]:
            with module.clone() as copy:
                copy.run(pipeline)
                return normalize(copy.text()), copy.num_instructions

        yield run


def function_id(normal_form: str, name: str) -> str:
    """32 hex digits that are equal for functions whose normal forms differ only in the function's own name."""
    quoted = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:02X}" for b in name.encode())
    own = re.compile(f'(c"[^"]*")|@(?:{re.escape(name)}(?![\\w.$-])|"{re.escape(quoted)}")')
    return text_id(own.sub(lambda match: match[1] or "@", normal_form))


def text_id(normal_form: str) -> str:
    """32 hex digits."""
    return hashlib.blake2b(normal_form.encode(), digest_size=16).hexdigest()


def _replace(match: re.Match[str]) -> str:
    if match.lastgroup == "string":
        return match[0]
    return " " if match.lastgroup == "space" else ""


def _needed(lines: list[str], metadata: dict[str, str]) -> list[str]:
    """Definitions of the metadata that instructions use as operands, and of what these refer to."""
    wanted = {n for line in lines for pair in _METADATA_OPERAND.findall(line) for n in pair if n}
    kept: dict[str, str] = {}
    while wanted:
        number = wanted.pop()
        if number in metadata and number not in kept:
            kept[number] = metadata[number]
            wanted |= {n for pair in _METADATA_OPERAND.findall(metadata[number].partition("=")[2]) for n in pair if n}
    return [kept[number] for number in sorted(kept, key=int)]
