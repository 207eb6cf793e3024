"""The pictures of a refinement, before, after, and the way between; of strings a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from wasserflow.cli.names.texts import save_strings
from wasserflow.flow import Watch
from wasserflow.integrators import State
from wasserflow.reports import image_grid, save_animation, side_by_side

_SHOWN_IMAGES = 64
_SHOWN_POINTS = 5_000
_FRAMES = 40


def shown_of(n: int, points: bool) -> int:
    """Count the samples that pictures and animations show: the first 64 images, or 5,000 points."""
    return min(n, _SHOWN_POINTS if points else _SHOWN_IMAGES)


class Trajectory:
    """Keeps the first samples of a run at the steps of their flow, over as many batches as they take.

    Args:
        generator: maps particles to samples; None where the particles are the samples.
        steps: steps of the whole flow; at most 40 of them are kept, evenly.
        count: samples that are kept.
    """

    def __init__(self, generator: nn.Module | None, steps: int, count: int) -> None:
        self.generator, self.left = generator, count
        self.every = max(1, steps // _FRAMES)
        self._batches: list[list[Tensor]] = []

    def of_batch(self, size: int) -> Watch | None:
        """Give what watches the next batch, of this size; None if there is nothing more to keep."""
        count, frames = min(size, self.left), list[Tensor]()
        if not count:
            return None
        self.left -= count
        self._batches.append(frames)

        def keep(state: State) -> None:
            if state.step % self.every:
                return
            with torch.no_grad():
                first = state.x[:count].clone()
                frames.append((first if self.generator is None else self.generator(first)).detach().cpu())

        return keep

    @property
    def samples(self) -> list[Tensor]:
        """The samples at the steps that were kept; where a batch took fewer, at its last one."""
        batches = list(takewhile(len, self._batches))  # one in which nothing moved was not watched
        longest = max(map(len, batches), default=0)
        return [torch.cat([frames[min(i, len(frames) - 1)] for frames in batches]) for i in range(longest)]


def save_pictures(
    out: Path, before: np.ndarray, after: np.ndarray, trajectory: Sequence[Tensor], data: Tensor | None, every: int = 1
) -> list[Path]:
    """Write `before.png`, `after.png` and `trajectory.gif`; of strings `before_after.txt`.

    Args:
        out: the run directory.
        before: stored samples: uint8 images NHWC, points (n, 2), or strings (n,).
        after: the same after the flow.
        trajectory: the first samples at the steps of the flow, as the generator gives them.
        data: real points to draw behind points.
        every: steps from one of them to the next.

    Returns:
        The files.
    """
    draw: Callable[[Tensor, str], Image.Image]
    if before.dtype.kind == "U":
        return [save_strings(out, before, after)]
    if before.ndim == 4:
        draw = _image_drawer(_square(len(before)))
        first, last = (torch.from_numpy(part[:_SHOWN_IMAGES]).permute(0, 3, 1, 2) for part in (before, after))
    elif before.ndim == 2 and before.shape[1] == 2:
        draw = _point_drawer(before, after, data)
        first, last = (torch.from_numpy(part[:_SHOWN_POINTS]) for part in (before, after))
    else:
        return []
    draw(first, "before").save(out / "before.png")
    draw(last, "after").save(out / "after.png")
    # Of several processes the first one's samples are seen on their way.
    frames = [first[: len(trajectory[0])] if trajectory else first, *trajectory]
    drawn = [draw(frame[: len(first)], f"step {every * i}") for i, frame in enumerate(frames)]
    save_animation(out / "trajectory.gif", drawn)
    return [out / "before.png", out / "after.png", out / "trajectory.gif"]


def save_comparison(out: Path, before: np.ndarray, after: np.ndarray) -> Path:
    """Write `side_by_side.png` of stored images, uint8 NHWC, before and after a flow.

    Returns:
        The file.
    """
    shown = (torch.from_numpy(part[:_SHOWN_IMAGES]).permute(0, 3, 1, 2) for part in (before, after))
    side_by_side([image_grid(images) for images in shown], ["before", "after"]).save(out / "side_by_side.png")
    return out / "side_by_side.png"


def save_generated_pictures(
    out: Path,
    samples: np.ndarray,
    trajectory: Sequence[Tensor],
    data: Tensor | None,
    columns: int | None = None,
    every: int = 1,
) -> list[Path]:
    """Write `grid.png` and `trajectory.gif` of samples that come of a flow.

    Args:
        out: the run directory.
        samples: stored samples: uint8 images NHWC, or points (n, 2).
        trajectory: the first ones from their start to their end.
        data: real points to draw behind points.
        columns: images a row; as square as possible if None.
        every: steps from one state of the trajectory to the next.

    Returns:
        The files.
    """
    draw: Callable[[Tensor, str], Image.Image]
    if samples.ndim == 4:
        columns = columns or _square(len(samples))
        draw, last = _image_drawer(columns), torch.from_numpy(samples).permute(0, 3, 1, 2)
    elif samples.ndim == 2 and samples.shape[1] == 2:
        draw, last = _point_drawer(trajectory[0].numpy(), samples, data), torch.from_numpy(samples)
    else:
        return []
    shown = _SHOWN_IMAGES if samples.ndim == 4 else _SHOWN_POINTS
    if columns is not None and len(last) > shown:
        shown -= shown % columns  # whole rows
    draw(last[:shown], "").save(out / "grid.png")
    drawn = [draw(frame[:shown], f"step {every * i}") for i, frame in enumerate(trajectory)]
    save_animation(out / "trajectory.gif", drawn)
    return [out / "grid.png", out / "trajectory.gif"]


def _square(n: int) -> int:
    """Columns that n images are shown in: those of the picture, also where an animation has fewer."""
    return math.ceil(math.sqrt(shown_of(n, points=False)))


def _image_drawer(columns: int) -> Callable[[Tensor, str], Image.Image]:
    return lambda images, title: image_grid(images, columns)


def _point_drawer(before: np.ndarray, after: np.ndarray, data: Tensor | None) -> Callable[[Tensor, str], Image.Image]:
    from wasserflow.reports import scatter_frame, shared_limits

    clouds = [torch.from_numpy(before), torch.from_numpy(after)]
    limits = shared_limits(clouds if data is None else [*clouds, data])
    return lambda points, title: scatter_frame(points, limits, data, title)
