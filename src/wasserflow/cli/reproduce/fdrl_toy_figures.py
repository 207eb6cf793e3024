"""The figures of FDRL's toy experiments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from wasserflow.cli.reproduce.fdrl_toy_trainings import VARIANCE, Crossing
from wasserflow.reports.panels import AFTER_COLOUR, BEFORE_COLOUR, DATA_COLOUR, panel_sheet, shared_limits
from wasserflow.spaces import Normal

_SHOWN = 1_000


def save_crossing(path: Path, guided: Crossing) -> None:
    """Plot particles during the training across the chasm, and the path of their mean; figure 3 of the paper.

    Args:
        path: the picture.
        guided: the flow-guided training.
    """
    source, data = (VARIANCE**0.5 * Normal(2).sample(_SHOWN, seed=seed) for seed in (0, 1))
    data = data + guided.target
    clouds = {f"training step {step}": cloud for step, cloud in guided.clouds.items()}
    if guided.samples is not None:
        clouds[f"samples after {len(guided.means)} steps"] = guided.samples
    limits = shared_limits([source, data, guided.means, *clouds.values()])
    figure, panels = panel_sheet([*clouds, "path of their mean"], limits, columns=len(clouds) + 1)
    drawn = {"source": (source, BEFORE_COLOUR), "data": (data, DATA_COLOUR)}
    for axes, cloud in zip(panels, clouds.values(), strict=False):
        for name, (points, colour) in (drawn | {"particles": (cloud, AFTER_COLOUR)}).items():
            axes.scatter(*points.numpy().T, s=3, color=colour, linewidths=0, alpha=0.7, label=name)
    panels[0].legend(loc="upper left", markerscale=4, frameon=False)
    panels[-1].plot(*guided.means.numpy().T, color=AFTER_COLOUR, linewidth=0.8)
    panels[-1].scatter([0, guided.target], [0, guided.target], color=[BEFORE_COLOUR, DATA_COLOUR], zorder=3)
    figure.savefig(path, bbox_inches="tight")


def save_swiss_rolls(path: Path, data: Tensor, samples: Mapping[str, Tensor]) -> None:
    """Plot the samples of each pairing; figure 10 of the paper.

    Args:
        path: the picture.
        data: (n, 2) points of the swiss roll.
        samples: panel title -> (n, 2) samples.
    """
    figure, panels = panel_sheet(list(samples), shared_limits([data, *samples.values()]), columns=4)
    for axes, cloud in zip(panels, samples.values(), strict=True):
        axes.scatter(*data.numpy().T, s=3, color=DATA_COLOUR, linewidths=0, alpha=0.6, label="data")
        axes.scatter(*cloud.numpy().T, s=3, color=AFTER_COLOUR, linewidths=0, alpha=0.8, label="samples")
    panels[0].legend(loc="upper left", markerscale=4, frameon=False)
    figure.savefig(path, bbox_inches="tight")
