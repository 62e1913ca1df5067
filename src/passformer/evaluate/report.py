"""The report on evaluations: its sections, written as Markdown and as one HTML page."""

from pathlib import Path
from typing import Any

from passformer.corpus.files import atomic, make_folder
from passformer.document import Figure, to_html, to_markdown
from passformer.evaluate.runs import Runs, read_runs
from passformer.evaluate.sections import SECTIONS

TITLE = "passformer: ordering LLVM's passes for code size"


def write_report(folder: Path, out: Path) -> dict[str, Any]:
    """Write report.md, report.html and their figures to `out` from all finished evaluations below `folder`.

    Returns the paths. Raises InputError where there are none, or they are of different functions.
    """
    make_folder(out)
    runs = Runs(read_runs(folder), out)
    blocks = [block for section in SECTIONS for block in section(runs)]
    written = {"markdown": out / "report.md", "html": out / "report.html"}
    for kind, text in (("markdown", to_markdown(TITLE, blocks)), ("html", to_html(TITLE, blocks))):
        with atomic(written[kind]) as temporary:
            temporary.write_text(text)
    pictures = [str(block.file) for block in blocks if isinstance(block, Figure)]
    return {**{kind: str(path) for kind, path in written.items()}, "figures": pictures, "evaluations": len(runs.all)}
