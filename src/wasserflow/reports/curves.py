"""A number over the steps of several flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

# Okabe & Ito (2008); the dashes keep lines apart where there are more lines than colours.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_DASHES = ("-", "--", ":")
_TICKS = 10  # more numbers would touch each other


def save_curves(
    path: str | Path,
    curves: Mapping[str, Mapping[int, Sequence[float]]],
    quantity: str,
    title: str | None = None,
    along: str = "step",
    logarithmic: bool = False,
) -> None:
    """Plot the mean of a number over the steps of each flow, with its range over repeats as a band.

    Args:
        path: the file; its suffix gives the format.
        curves: name of the flow -> step -> the number in each repeat, at least one.
        quantity: what the number is, with its direction.
        title: above the plot.
        along: what is counted below the plot.
        logarithmic: show equal factors of the number, which must then be above 0, as equal lengths.

    Raises:
        ValueError: no curves.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/curves.png"
        >>> save_curves(path, {"DGflow": {0: [1.3, 1.2], 5: [0.9, 0.8]}}, "Fréchet distance ↓")
    """
    if not curves:
        raise ValueError("there are no curves to plot; give at least one")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.6), dpi=130, layout="constrained")
    axes = figure.subplots()
    for number, (name, curve) in enumerate(curves.items()):
        steps = sorted(curve)
        means = [sum(curve[step]) / len(curve[step]) for step in steps]
        colour, dash = _COLOURS[number % len(_COLOURS)], _DASHES[number // len(_COLOURS) % len(_DASHES)]
        axes.plot(steps, means, dash, color=colour, marker=".", label=name)
        low, high = ([bound(curve[step]) for step in steps] for bound in (min, max))
        axes.fill_between(steps, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.set(xlabel=along, ylabel=quantity)
    measured = sorted({step for curve in curves.values() for step in curve})
    if len(measured) <= _TICKS and len({b - a for a, b in pairwise(measured)}) == 1:
        axes.set_xticks(measured)
    if logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, ncols=2)
    if title:
        axes.set_title(title, fontsize=11)
    figure.savefig(path)
