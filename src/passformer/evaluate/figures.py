"""Pictures of results. Each function writes one PNG file and returns its path."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

# Okabe and Ito's colours, which can be told apart by nearly everyone; markers and dashes for the others.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#000000")
_MARKERS = "osD^vPX*"
_ORDER = ("model", "trees", "coreset", "nearest", "autophase", "coreset-nvp", "search", "autotuner", "oz")
IMPROVEMENT = "fewer instructions than -Oz, %"

Line = tuple[Sequence[float], Sequence[float]]
"""x and y."""


def rank_of(method: str) -> int:
    """Its place among the methods, in tables as in pictures."""
    return _ORDER.index(method) if method in _ORDER else len(_ORDER)


def style_of(method: str) -> tuple[str, str]:
    """Colour and marker, the same in every picture."""
    place = rank_of(method)
    return _COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)]


def lines(file: Path, series: Mapping[str, Line], xlabel: str, ylabel: str = IMPROVEMENT, log: bool = True) -> Path:
    """A line a method; one of a single point is a marker alone."""
    figure, panel = _panel(7.5, 4.6)
    for method, (x, y) in series.items():
        colour, marker = style_of(method)
        panel.plot(x, y, color=colour, marker=marker, markersize=5, linewidth=1.6, label=method)
    if log:
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
    _finish(panel, xlabel, ylabel)
    panel.legend(frameon=False)
    return _save(figure, file)


def grouped_bars(file: Path, groups: Sequence[str], series: Mapping[str, Sequence[float]], ylabel: str) -> Path:
    """Groups along x, a bar a method in each."""
    figure, panel = _panel(max(7.5, 1.1 * len(groups) + 2), 4.4)
    width = 0.8 / max(len(series), 1)
    places = np.arange(len(groups))
    for number, (method, values) in enumerate(series.items()):
        offset = (number - (len(series) - 1) / 2) * width
        panel.bar(places + offset, values, width, color=style_of(method)[0], label=method)
    panel.set_xticks(places, groups, rotation=0 if len(groups) < 9 else 30, ha="center" if len(groups) < 9 else "right")
    panel.axhline(0, color="#444444", linewidth=0.8)
    _finish(panel, "", ylabel)
    panel.legend(frameon=False)
    return _save(figure, file)


def horizontal_bars(file: Path, names: Sequence[str], series: Mapping[str, Sequence[float]], xlabel: str) -> Path:
    """Long names along y, a bar a method for each."""
    figure, panel = _panel(8.0, 0.34 * len(names) + 1.4)
    height = 0.8 / max(len(series), 1)
    places = np.arange(len(names))[::-1]
    for number, (method, values) in enumerate(series.items()):
        offset = ((len(series) - 1) / 2 - number) * height
        panel.barh(places + offset, values, height, color=style_of(method)[0], label=method)
    panel.set_yticks(places, names, fontsize=8)
    _finish(panel, xlabel, "")
    panel.legend(frameon=False)
    return _save(figure, file)


def intervals(file: Path, names: Sequence[str], values: Sequence[tuple[float, float, float]], ylabel: str) -> Path:
    """A point with its 95 % interval a name; `values` are (value, low, high)."""
    figure, panel = _panel(7.0, 4.2)
    middle = np.array([v for v, _, _ in values])
    spread = np.array([[v - low, high - v] for v, low, high in values]).T.reshape(2, -1)
    panel.errorbar(range(len(names)), middle, yerr=spread, fmt="o", color=_COLOURS[0], capsize=4)
    panel.set_xticks(range(len(names)), names)
    panel.margins(x=0.1)
    _finish(panel, "", ylabel)
    return _save(figure, file)


def _panel(width: float, height: float) -> tuple[Figure, Axes]:
    figure, panel = plt.subplots(figsize=(width, height))
    return figure, panel


def _finish(panel: Axes, xlabel: str, ylabel: str) -> None:
    panel.set_xlabel(xlabel)
    panel.set_ylabel(ylabel)
    panel.grid(alpha=0.3)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, file: Path) -> Path:
    figure.tight_layout()
    figure.savefig(file, dpi=130)
    plt.close(figure)
    return file
