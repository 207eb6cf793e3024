"""`wasserflow generate --interpolate`: paths in the prior between pairs of samples, moved by the flow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Int64
from torch import Tensor

from wasserflow.reports import image_grid
from wasserflow.spaces import interpolate

if TYPE_CHECKING:
    from wasserflow.training.fdrl import FlowGuidedRatio

_PATHS = 8


@dataclass(frozen=True)
class Interpolation:
    """Paths between the first and the second sample, the third and the fourth, ...: 8 at most.

    Args:
        points: on each path, both ends included.
        extra_steps: of the flow after those of training.
        batch_size: images at a time.
    """

    points: int
    extra_steps: int
    batch_size: int

    def save(self, path: Path, ratio: FlowGuidedRatio[Any], seeds: Int64[Tensor, " n"]) -> None:
        """Draw a path a row, between the samples of these seeds.

        The points of a path share the noise of the flow, that of the first end: only their start tells them apart.
        """
        assert ratio.source is not None
        start, end = seeds[0:-1:2][:_PATHS], seeds[1::2][:_PATHS]
        x0 = interpolate(ratio.source, len(start), self.points, start, end, device=ratio.device).flatten(0, 1)
        noise = start.repeat_interleave(self.points)
        images = ratio.transport(x0, self.extra_steps, noise, batch_size=self.batch_size)
        image_grid(images, columns=self.points).save(path)


def read_interpolation(
    ratio: FlowGuidedRatio[Any], n: int, points: int, extra_steps: int, batch_size: int
) -> Interpolation | None:
    """Read the option `interpolate`; None for 0.

    Raises:
        ValueError: one point, a single sample, or a model of other samples than images.
    """
    if not points:
        return None
    if points < 2 or n < 2:
        raise ValueError(f"interpolate is {points} and n is {n}; give at least 2 images a path and 2 samples")
    if ratio.start(1).ndim != 4:
        raise ValueError(f"interpolate is {points}, but this model makes points; leave it out, or give one of images")
    return Interpolation(points, extra_steps, batch_size)
