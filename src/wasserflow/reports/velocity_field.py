"""The velocity field of each divergence, over the log-ratio that drives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.reports.panels import BEFORE_COLOUR, check_cloud, mesh, panel_sheet

_FINE = 160


def save_velocity_fields(
    path: str | Path,
    velocities: Mapping[str, Callable[[Tensor], Tensor]],
    log_ratio: Callable[[Tensor], Tensor],
    limits: tuple[float, float],
    data: Float[Tensor, "m 2"] | None = None,
    arrows: int = 24,
    title: str | None = None,
) -> None:
    """Plot where each flow pushes particles: arrows over the log-ratio.

    An arrow is as long as the square root of the speed, relative to the fastest of its panel, so that slow regions can
    be seen too. The colours reach from the 2nd to the 98th percentile of the log-ratio.

    Args:
        path: the file; its suffix gives the format.
        velocities: panel title -> function (n, 2) -> (n, 2).
        log_ratio: function (n, 2) -> (n,), log p_data / p_model.
        limits: of both axes.
        data: (m, 2) real samples, drawn as dots.
        arrows: arrows along each side.
        title: above the sheet.

    Raises:
        ValueError: no velocities, a function of another shape, or values that are not finite.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/field.png"
        >>> save_velocity_fields(path, {"KL": lambda x: -x}, lambda x: -x.square().sum(dim=1) / 2, (-2.0, 2.0))
    """
    if not velocities:
        raise ValueError("there are no velocities; give at least one panel")
    if data is not None:
        check_cloud("data", data)
    background = _values("log_ratio", log_ratio, mesh(limits, _FINE)).reshape(_FINE, _FINE)
    # A critic knows the log-ratio up to a constant only: the colours have no middle.
    low, high = np.quantile(background, [0.02, 0.98])
    figure, panels = panel_sheet(list(velocities), limits, title)
    picture: Any = None
    for axes, (name, velocity) in zip(panels, velocities.items(), strict=True):
        picture = axes.imshow(
            background, origin="lower", extent=(*limits, *limits), cmap="YlGnBu_r", vmin=low, vmax=high, alpha=0.8
        )
        if data is not None:
            axes.scatter(*data.detach().cpu().numpy().T, s=2, color=BEFORE_COLOUR, alpha=0.5, linewidths=0)
        _draw_arrows(axes, name, velocity, limits, arrows)
    figure.colorbar(picture, ax=panels, extend="both", label="log-ratio (higher: more real)")
    figure.savefig(path, bbox_inches="tight")


def _draw_arrows(
    axes: Any, name: str, velocity: Callable[[Tensor], Tensor], limits: tuple[float, float], arrows: int
) -> None:
    inset = (limits[1] - limits[0]) / (2 * arrows)
    points = mesh((limits[0] + inset, limits[1] - inset), arrows)
    field = _values(f"velocity {name!r}", velocity, points)
    if field.shape != (len(points), 2):
        raise ValueError(f"velocity {name!r} returned {field.shape}; it must return (n, 2)")
    speed = np.linalg.norm(field, axis=1)
    top = float(np.quantile(speed, 0.98)) or 1.0
    # At the 98th percentile an arrow fills its cell; faster ones are cut to that length.
    length = 2 * inset * np.sqrt(np.minimum(speed / top, 1.0))
    arrow = field / np.maximum(speed, 1e-30)[:, None] * length[:, None]
    axes.quiver(
        *points.numpy().T, *arrow.T, angles="xy", scale_units="xy", scale=1, pivot="mid", width=0.0035, color="#111111"
    )


def _values(name: str, function: Callable[[Tensor], Tensor], points: Tensor) -> Any:
    values = function(points)
    if not isinstance(values, Tensor) or len(values) != len(points):
        raise ValueError(f"{name} must return one value or vector a point for {len(points)} points")
    values = values.detach().cpu().double()
    if not torch.isfinite(values).all():
        raise ValueError(f"{name} is not finite everywhere within the limits; narrow them")
    return values.numpy()
