"""Animations of a flow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

_PALETTE_FRAMES = 6


def save_animation(path: str | Path, frames: Sequence[Image.Image], frame_ms: int = 120, hold_ms: int = 1_200) -> None:
    """Write pictures as a GIF that repeats, with a pause on the first and the last one.

    Args:
        path: the file, `.gif`.
        frames: the pictures, all of one size.
        frame_ms: milliseconds a picture.
        hold_ms: milliseconds of the first and the last one.

    Raises:
        ValueError: no pictures, or pictures of different sizes.

    Example:
        >>> import tempfile, torch
        >>> from wasserflow.reports import image_grid
        >>> frames = [image_grid(torch.full((1, 1, 8, 8), v)) for v in (-1.0, 0.0, 1.0)]
        >>> save_animation(tempfile.mkdtemp() + "/trajectory.gif", frames)
    """
    sizes = {frame.size for frame in frames}
    if len(sizes) != 1:
        raise ValueError(f"the frames have sizes {sorted(sizes)}; give at least one frame, and all of one size")
    # One palette for all: no flicker, and pixels that do not change cost nothing.
    shown = [frames[round(i * (len(frames) - 1) / (_PALETTE_FRAMES - 1))] for i in range(_PALETTE_FRAMES)]
    sheet = Image.new("RGB", (frames[0].width, frames[0].height * len(shown)))
    for number, frame in enumerate(shown):
        sheet.paste(frame, (0, number * frame.height))
    # The usual median cut gives rare colours away: saturated ones turn grey.
    palette = sheet.quantize(256, method=Image.Quantize.FASTOCTREE)
    indexed = [frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [frame_ms] * len(indexed)
    durations[0] = durations[-1] = hold_ms
    indexed[0].save(path, save_all=True, append_images=indexed[1:], duration=durations, loop=0, optimize=True)
