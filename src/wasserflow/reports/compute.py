"""Quality against what it took."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito (2008), without its yellow, which is faint on white; markers keep apart what shares a colour.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FAR_APART = 3  # the largest over the smallest number from which on equal factors are shown as equal lengths

Points = Mapping[float, Sequence[float]]
"""What was spent -> the number in each repeat."""


def save_quality_against_compute(
    path: str | Path,
    moved: Mapping[str, Points],
    drawn: Mapping[str, Points],
    before: Points,
    quantity: str,
    spent: str,
    title: str | None = None,
) -> None:
    """Plot the mean of a number against what was spent on it, with its standard deviation over repeats as a bar.

    Args:
        path: the file; its suffix gives the format.
        moved: methods that move samples, by their names, as solid lines.
        drawn: methods that choose among proposals, as dashed lines.
        before: the number of the unrefined samples, as a level.
        quantity: what the number is, with its direction.
        spent: what is counted below the plot, above 0; shown in equal factors.
        title: above the plot.

    Raises:
        ValueError: no methods.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/compute.png"
        >>> save_quality_against_compute(
        ...     path, {"DGflow": {2.5: [1.3, 1.2], 50.5: [0.9, 0.8]}}, {}, {0.5: [1.5, 1.4]}, "Fréchet ↓", "units"
        ... )
    """
    if not moved and not drawn:
        raise ValueError("there are no methods to plot; give at least one")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 5.0), dpi=130, layout="constrained")
    axes = figure.subplots()
    (level,) = before.values()
    axes.axhline(statistics.fmean(level), color="#777777", linewidth=1, linestyle=":", label="no refinement")
    lines = [(name, points, "-") for name, points in moved.items()]
    lines += [(name, points, "--") for name, points in drawn.items()]
    for number, (name, points, dash) in enumerate(lines):
        _draw(axes, number, name, points, dash)
    every = [numbers for points in (before, *moved.values(), *drawn.values()) for numbers in points.values()]
    _scale(axes, [statistics.fmean(numbers) for numbers in every])
    axes.set(xlabel=spent, ylabel=quantity)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    if title:
        axes.set_title(title, fontsize=10)
    figure.savefig(path)


def _draw(axes: Axes, number: int, name: str, points: Points, dash: str) -> None:
    units = sorted(points)
    means = [statistics.fmean(points[unit]) for unit in units]
    bars = [statistics.stdev(points[unit]) if len(points[unit]) > 1 else 0.0 for unit in units]
    turns, colour = divmod(number, len(_COLOURS))
    axes.errorbar(
        units,
        means,
        bars,
        linestyle=dash,
        linewidth=1.3,
        elinewidth=0.8,
        capsize=2,
        color=_COLOURS[colour],
        marker=_MARKERS[(number + turns) % len(_MARKERS)],
        markersize=4,
        label=name,
    )


def _scale(axes: Axes, means: Sequence[float]) -> None:
    """Equal factors as equal lengths, along what was spent and, where the numbers lie far apart, along them too."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_locator(NullLocator())
    if 0 < min(means) < max(means) / _FAR_APART:
        axes.set_yscale("log")
        within_a_decade = max(means) < 10 * min(means)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 8) if within_a_decade else (1, 2, 5)))
        axes.yaxis.set_major_formatter(plain)
        axes.yaxis.set_minor_locator(NullLocator())
