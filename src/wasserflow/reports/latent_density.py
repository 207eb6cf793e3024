"""The density that a critic gives to the latent space, and where particles end in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from wasserflow.reports.panels import BEFORE_COLOUR, check_cloud, mesh, panel_sheet

_FINE = 200


def save_latent_density(
    path: str | Path,
    log_density: Callable[[Tensor], Tensor],
    particles: Mapping[str, Float[Tensor, "_ 2"]],
    limits: tuple[float, float],
    title: str | None = None,
) -> None:
    """Plot exp(log_ratio(generator(z))) as a heat map, and the latents over it.

    The density is relative to its 99th percentile over the square, so that a single peak does not hide the rest.

    Args:
        path: the file; its suffix gives the format.
        log_density: function of latents (n, 2) -> (n,), such as z -> log_ratio(generator(z)).
        particles: panel title -> (n, 2) latents, such as before and after a flow.
        limits: of both axes.
        title: above the sheet.

    Raises:
        ValueError: no particles, particles that are not a finite (n, 2) cloud, or a density that is not finite.

    Example:
        >>> import tempfile, torch
        >>> z = torch.randn(100, 2)
        >>> save_latent_density(
        ...     tempfile.mkdtemp() + "/latent.png", lambda z: -z.square().sum(dim=1), {"before": z}, (-3.0, 3.0)
        ... )
    """
    if not particles:
        raise ValueError("there are no particles; give at least one panel")
    for name, cloud in particles.items():
        check_cloud(name, cloud)
    values = log_density(mesh(limits, _FINE)).detach().cpu().double()
    if values.shape != (_FINE**2,) or not values.isfinite().all():
        raise ValueError(
            f"log_density returned {tuple(values.shape)} for {_FINE**2} points; it must return one finite value a point"
        )
    density = (values - values.quantile(0.99)).exp().clamp_max(1.0).reshape(_FINE, _FINE).numpy()
    figure, panels = panel_sheet(list(particles), limits, title)
    picture: Any = None
    for axes, cloud in zip(panels, particles.values(), strict=True):
        picture = axes.imshow(density, origin="lower", extent=(*limits, *limits), cmap="Blues", vmin=0.0, vmax=1.0)
        size = min(8.0, max(2.0, 8000 / len(cloud)))
        axes.scatter(*cloud.detach().cpu().numpy().T, s=size, color=BEFORE_COLOUR, alpha=0.7, linewidths=0)
    figure.colorbar(picture, ax=panels, extend="max", label="exp(log-ratio), relative")
    figure.savefig(path, bbox_inches="tight")
