"""The sheet of square panels that every plot of 2-D particles is drawn on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# Colours of Okabe & Ito (2008), which colour-blind readers can tell apart.
DATA_COLOUR = "#9a9a9a"
BEFORE_COLOUR = "#d55e00"
AFTER_COLOUR = "#0072b2"

_PANEL_INCHES = 3.4
_DPI = 130
_MARGIN = 0.05


def shared_limits(clouds: Iterable[Float[Tensor, "_ 2"]]) -> tuple[float, float]:
    """Bounds of both axes which show 99.8 % of every cloud: a few lost particles must not shrink the rest.

    Args:
        clouds: (n, 2) particles each.

    Returns:
        (low, high).
    """
    low, high = math.inf, -math.inf
    for cloud in clouds:
        # torch.quantile refuses more than 16 million numbers; a plot needs no more than these.
        coordinates = cloud.detach().double().flatten()[: 2 * 500_000]
        bounds = coordinates.quantile(torch.tensor([0.001, 0.999], dtype=torch.float64, device=cloud.device))
        low, high = min(low, float(bounds[0])), max(high, float(bounds[1]))
    margin = _MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def mesh(limits: tuple[float, float], resolution: int) -> Float[Tensor, "points 2"]:
    """(resolution², 2) points of a square grid, rows from the bottom upwards."""
    line = torch.linspace(*limits, resolution)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def check_cloud(name: str, cloud: Float[Tensor, "n dim"]) -> None:
    """Refuse particles which are not a finite, non-empty (n, 2) cloud.

    Raises:
        ValueError: another shape, none, NaN or infinite coordinates.
    """
    if cloud.ndim != 2 or cloud.shape[1] != 2 or len(cloud) == 0:
        raise ValueError(f"{name!r} has shape {tuple(cloud.shape)}; a plot needs (n, 2) particles, at least one")
    if not cloud.isfinite().all():
        raise ValueError(f"{name!r} has coordinates that are not finite; stop the flow before it diverges")


def panel_sheet(
    titles: Sequence[str], limits: tuple[float, float], title: str | None = None, columns: int = 3
) -> tuple[Any, list[Any]]:
    """Make a sheet of equal square panels.

    Args:
        titles: one a panel.
        limits: of both axes of every panel.
        title: above the sheet.
        columns: panels a row at most.

    Returns:
        The matplotlib figure and its axes, one a title.
    """
    # Figures are made without pyplot, which would keep them and choose a window system for the caller.
    from matplotlib.figure import Figure

    columns = min(columns, len(titles))
    rows = math.ceil(len(titles) / columns)
    size = (_PANEL_INCHES * columns + 0.2, (_PANEL_INCHES + 0.2) * rows + 0.5)
    figure = Figure(figsize=size, dpi=_DPI, layout="compressed")
    every = list(figure.subplots(rows, columns, squeeze=False).flatten())
    for axes, name in zip(every, titles, strict=False):
        axes.set_title(name, fontsize=12)
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        axes.tick_params(labelsize=9)
        axes.locator_params(nbins=5)
    for axes in every[len(titles) :]:
        axes.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=14)
    return figure, every[: len(titles)]
