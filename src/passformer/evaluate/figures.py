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
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#000000", "#7a5230")
_MARKERS = "osD^vPX*p"
_ORDER = ("model", "trees", "coreset", "nearest", "autophase", "coreset-nvp", "search", "autotuner", "neighbours", "oz")
IMPROVEMENT = "fewer instructions than -Oz, %"

Line = tuple[Sequence[float], Sequence[tuple[float, float, float]]]
"""x, and the value there with its 95 % interval: (value, low, high)."""


def rank_of(method: str) -> int:
    """Its place among the methods, in tables as in pictures."""
    return _ORDER.index(method) if method in _ORDER else len(_ORDER)


def style_of(method: str) -> tuple[str, str]:
    """Colour and marker, the same in every picture."""
    place = rank_of(method)
    return _COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)]


def lines(file: Path, series: Mapping[str, Line], xlabel: str, best: float | None = None) -> Path:
    """A line a method over a logarithmic axis, in its 95 % band; one of a single point has a bar.

    `best` is the improvement of the best list known: it is drawn, and a second axis tells shares of it.
    """
    figure, panel = _panel(8.0, 5.0)
    for method, (x, points) in series.items():
        colour, marker = style_of(method)
        y, low, high = np.array(points).T
        panel.plot(x, y, color=colour, marker=marker, markersize=5, linewidth=1.6, label=method)
        panel.fill_between(x, low, high, color=colour, alpha=0.08, linewidth=0)
        if len(x) == 1:
            panel.errorbar(x, y, yerr=[y - low, high - y], color=colour, capsize=3)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.axhline(0, color="#444444", linewidth=0.8)
    _finish(panel, xlabel, IMPROVEMENT)
    if best:
        panel.axhline(best, color="#444444", linewidth=1.2, linestyle="--", label="best list known")
        both_ways = (lambda y: 100 * np.asarray(y) / best, lambda y: best * np.asarray(y) / 100)
        share = panel.secondary_yaxis("right", functions=both_ways)
        share.set_ylabel("share of the autotuner's gain, %")
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.14 if best else 1.02, 1))
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
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
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


def intervals(
    file: Path, names: Sequence[str], series: Mapping[str, Sequence[tuple[float, float, float]]], ylabel: str
) -> Path:
    """Points with their 95 % intervals, (value, low, high), one of each series above each name; shares in percent."""
    figure, panel = _panel(8.0, 4.4)
    for number, (label, values) in enumerate(series.items()):
        middle, low, high = np.array(values).T
        x = np.arange(len(names)) + 0.12 * (number - (len(series) - 1) / 2)
        colour, marker = _COLOURS[number], _MARKERS[number]
        panel.errorbar(x, middle, yerr=[middle - low, high - middle], fmt=marker, color=colour, capsize=4, label=label)
    panel.set_xticks(range(len(names)), names)
    panel.set_xlim(-0.5, len(names) - 0.5)
    panel.set_ylim(-3, 103)
    _finish(panel, "", ylabel)
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
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
