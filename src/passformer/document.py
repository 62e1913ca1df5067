"""A report as blocks, and its two forms: Markdown beside its figures, and one self-contained HTML page."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Heading:
    """Of a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below heads; the first `left` columns are text, the others figures."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture that lies beside the report."""

    file: Path
    caption: str


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it is, several side by side."""

    titles: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """Names with two sizes each, drawn one below the other: what was, and how much of it is left."""

    head: str
    rows: tuple[tuple[str, int, int], ...]


Block = Bars | Heading | Text | Table | Figure | Code

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2430; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #d5dbe3; }
table { border-collapse: collapse; font-size: 0.88rem; display: block; overflow-x: auto; }
th, td { padding: 0.25rem 0.45rem; border-bottom: 1px solid #e3e8ee; text-align: right; white-space: nowrap; }
th { background: #f3f6f9; white-space: normal; vertical-align: bottom; } .left { text-align: left; }
figure { margin: 1rem 0; } img { max-width: 100%; } figcaption { color: #566273; font-size: 0.88rem; }
.code { display: flex; gap: 1rem; } .code div { flex: 1; min-width: 0; }
.bars td:last-child { width: 55%; } .bar { background: #c9d3df; height: 0.9rem; position: relative; }
.bar i { background: #2f6f9f; display: block; height: 100%; }
pre { background: #f3f6f9; padding: 0.7rem; font-size: 0.75rem; overflow-x: auto; }
"""


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """The whole report; figures are linked by their names."""
    return "\n\n".join([f"# {title}", *map(_markdown, blocks)]) + "\n"


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """One page that needs nothing else: pictures are in it."""
    body = "\n".join(map(_html, blocks))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {text}"
        case Text(text):
            return text
        case Table(heads, rows, left):
            rule = "|" + "---|" * left + "---:|" * (len(heads) - left)
            return "\n".join([f"| {' | '.join(heads)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])
        case Figure(file, caption):
            return f"![{caption}]({file.name})"
        case Bars(head, rows):
            figures = ((name, f"{before:,}", f"{after:,}", _change(before, after)) for name, before, after in rows)
            return _markdown(Table((head, "before", "after", ""), tuple(figures)))
        case Code(titles, texts):
            return "\n\n".join(f"{title}\n\n```\n{text}\n```" for title, text in zip(titles, texts, strict=True))


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{_inline(text)}</h2>"
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Table(heads, rows, left):
            lines = [_row("th", heads, left), *(_row("td", row, left) for row in rows)]
            return f"<table>{''.join(lines)}</table>"
        case Figure(file, caption):
            data = base64.b64encode(file.read_bytes()).decode()
            image = f'<img src="data:image/png;base64,{data}" alt="{html.escape(caption)}">'
            return f"<figure>{image}<figcaption>{_inline(caption)}</figcaption></figure>"
        case Bars(head, rows):
            longest = max((before for _, before, _ in rows), default=0) or 1
            lines = [_row("th", (head, "before", "after", "", ""), 1)]
            for name, before, after in rows:
                cells = _row("td", (name, f"{before:,}", f"{after:,}", _change(before, after)), 1)
                whole, part = 100 * before / longest, 100 * after / max(before, 1)
                bar = f'<div class="bar" style="width: {whole:.2f}%"><i style="width: {part:.2f}%"></i></div>'
                lines.append(cells.replace("</tr>", f"<td>{bar}</td></tr>"))
            return f'<table class="bars">{"".join(lines)}</table>'
        case Code(titles, texts):
            parts = zip(titles, texts, strict=True)
            columns = "".join(f"<div>{_inline(t)}<pre>{html.escape(x)}</pre></div>" for t, x in parts)
            return f'<div class="code">{columns}</div>'


def _change(before: int, after: int) -> str:
    return f"{100 * (after - before) / before:+.1f} %" if before else ""


def _row(tag: str, cells: Sequence[str], left: int) -> str:
    marked = ((' class="left"' if i < left else "", cell) for i, cell in enumerate(cells))
    return "<tr>" + "".join(f"<{tag}{mark}>{_inline(cell)}</{tag}>" for mark, cell in marked) + "</tr>"


def _inline(text: str) -> str:
    """Escaped, with `code` as such."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
