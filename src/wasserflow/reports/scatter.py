"""Scatter plots of 2-D samples: before and after each method, and frames of an animation."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from wasserflow.reports.panels import (
    AFTER_COLOUR,
    BEFORE_COLOUR,
    DATA_COLOUR,
    check_cloud,
    panel_sheet,
    shared_limits,
)


def save_scatter_panels(
    path: str | Path,
    before: Float[Tensor, "n 2"],
    after: Mapping[str, Float[Tensor, "_ 2"]],
    data: Float[Tensor, "m 2"] | None = None,
    title: str | None = None,
    generator: str = "generator",
) -> None:
    """Plot samples of the generator and after each method, in panels of equal limits.

    Args:
        path: the file; its suffix gives the format (png, pdf, svg).
        before: (n, 2) samples of the generator.
        after: panel title -> (n, 2) samples; a title may have a second line, such as a metric.
        data: (m, 2) real samples, drawn in grey behind every panel.
        title: above the sheet.
        generator: title of the first panel; as those of the others.

    Raises:
        ValueError: particles that are not a finite, non-empty (n, 2) cloud.

    Example:
        >>> import tempfile, torch
        >>> x = torch.randn(200, 2)
        >>> save_scatter_panels(tempfile.mkdtemp() + "/samples.png", x, {"DGflow (KL)": x / 2})
    """
    shown = {generator: before, **after}
    clouds = shown if data is None else {"data": data, **shown}
    for name, cloud in clouds.items():
        check_cloud(name, cloud)
    figure, panels = panel_sheet(list(shown), shared_limits(clouds.values()), title)
    for axes, (name, cloud) in zip(panels, shown.items(), strict=True):
        _draw(axes, cloud, data, BEFORE_COLOUR if name == generator else AFTER_COLOUR)
    # One legend for the sheet: the colours mean the same in every panel.
    first, last = (axes.get_legend_handles_labels() for axes in (panels[0], panels[-1]))
    entries = dict(zip([*first[1], *last[1]], [*first[0], *last[0]], strict=True))
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3, markerscale=3, fontsize=10)
    figure.savefig(path, bbox_inches="tight")


def scatter_frame(
    particles: Float[Tensor, "n 2"],
    limits: tuple[float, float],
    data: Float[Tensor, "m 2"] | None = None,
    title: str = "",
) -> Image.Image:
    """Draw one frame of an animation of 2-D particles.

    Args:
        particles: (n, 2) particles at this step.
        limits: of both axes; the same for all frames, see `shared_limits`.
        data: (m, 2) real samples, in grey behind the particles.
        title: such as the step.

    Returns:
        The frame; frames of equal arguments but particles have equal sizes.

    Raises:
        ValueError: particles that are not a finite, non-empty (n, 2) cloud.

    Example:
        >>> import torch
        >>> scatter_frame(torch.randn(50, 2), limits=(-3.0, 3.0), title="step 0").size[0] > 300
        True
    """
    check_cloud(title or "particles", particles)
    figure, (axes,) = panel_sheet([title or " "], limits)
    _draw(axes, particles, data, AFTER_COLOUR)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file).convert("RGB")


def _draw(axes: Any, particles: Tensor, data: Tensor | None, colour: str) -> None:
    if data is not None:
        axes.scatter(*_columns(data), s=2.5, color=DATA_COLOUR, alpha=0.5, linewidths=0, label="data", rasterized=True)
    label = "generator" if colour == BEFORE_COLOUR else "after the method"
    size = min(6.0, max(1.5, 6000 / len(particles)))
    axes.scatter(*_columns(particles), s=size, color=colour, alpha=0.7, linewidths=0, label=label, rasterized=True)


def _columns(cloud: Tensor) -> Any:
    return cloud.detach().cpu().numpy().T
