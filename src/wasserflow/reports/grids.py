"""Pictures of images: grids, before beside after, samples over steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Shaped
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from wasserflow.data.images import to_uint8

_GUTTER = 2
_VISIBLE = 64
_MARGIN = 12
_PAPER = "white"
_INK = "#222222"


def image_grid(
    images: Shaped[Tensor, "n channels height width"], columns: int | None = None, scale: int | None = None
) -> Image.Image:
    """Put images beside and below each other, enlarged without smoothing until they can be seen.

    Args:
        images: (n, 1 or 3, height, width) uint8, or floats on [-1, 1] (what lies outside is clipped).
        columns: images a row; as square as possible if None.
        scale: screen pixels a pixel; if None so that an image is at least 64 pixels wide.

    Returns:
        The picture, in colours.

    Raises:
        TypeError: images that are neither uint8 nor floating point.
        ValueError: no images, another shape, NaN, columns or scale below 1.

    Example:
        >>> import torch
        >>> image_grid(torch.zeros(4, 3, 32, 32)).size
        (134, 134)
    """
    tiles = _tiles(images)
    n, height, width = tiles.shape[:3]
    columns = math.ceil(math.sqrt(n)) if columns is None else columns
    scale = max(1, math.ceil(_VISIBLE / width)) if scale is None else scale
    if columns < 1 or scale < 1:
        raise ValueError(f"columns is {columns} and scale {scale}; both must be at least 1")
    columns = min(columns, n)
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    pitch_y, pitch_x = scale * height + _GUTTER, scale * width + _GUTTER
    rows = math.ceil(n / columns)
    sheet = np.full((rows * pitch_y + _GUTTER, columns * pitch_x + _GUTTER, 3), 255, dtype=np.uint8)
    for number, tile in enumerate(tiles):
        top, left = _GUTTER + number // columns * pitch_y, _GUTTER + number % columns * pitch_x
        sheet[top : top + scale * height, left : left + scale * width] = tile
    return Image.fromarray(sheet)


def captioned(picture: Image.Image, caption: str, size: int = 18) -> Image.Image:
    """Put a line of text above a picture, which gets margins where the line is wider."""
    font = ImageFont.load_default(size)
    width = max(picture.width, math.ceil(font.getlength(caption)))
    sheet = Image.new("RGB", (width, picture.height + 2 * size), _PAPER)
    sheet.paste(picture, ((width - picture.width) // 2, 2 * size))
    ImageDraw.Draw(sheet).text((width / 2, size), caption, fill=_INK, font=font, anchor="mm")
    return sheet


def side_by_side(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Put captioned pictures beside each other, such as the grids before and after a flow.

    Args:
        pictures: the pictures.
        captions: a line of text above each.

    Returns:
        One picture.

    Raises:
        ValueError: no pictures, or another number of captions.

    Example:
        >>> import torch
        >>> before, after = (image_grid(torch.rand(4, 1, 28, 28)) for _ in range(2))
        >>> side_by_side([before, after], ["before", "after"]).width > 2 * before.width
        True
    """
    if not pictures or len(pictures) != len(captions):
        raise ValueError(f"{len(captions)} captions for {len(pictures)} pictures; give one to each, at least one")
    parts = [captioned(picture, caption) for picture, caption in zip(pictures, captions, strict=True)]
    width = sum(part.width for part in parts) + _MARGIN * (len(parts) - 1)
    sheet = Image.new("RGB", (width, max(part.height for part in parts)), _PAPER)
    left = 0
    for part in parts:
        sheet.paste(part, (left, 0))
        left += part.width + _MARGIN
    return sheet


def trajectory_rows(
    trajectory: Sequence[Shaped[Tensor, "n channels height width"]], steps: Sequence[int], samples: int = 8
) -> Image.Image:
    """Show samples over the steps of a flow: a row a sample, a column a step.

    Args:
        trajectory: the images at each shown step, (n, 1 or 3, height, width) uint8 or floats on [-1, 1].
        steps: which step each entry is, written above its column.
        samples: how many samples are shown, the first ones.

    Returns:
        The picture.

    Raises:
        ValueError: another number of steps than entries, or none.

    Example:
        >>> import torch
        >>> trajectory_rows([torch.rand(3, 1, 8, 8)] * 5, steps=[0, 5, 10, 15, 20]).width
        340
    """
    if not trajectory or len(trajectory) != len(steps):
        raise ValueError(f"{len(steps)} steps for {len(trajectory)} sets of images; give one to each, at least one")
    columns = [
        captioned(image_grid(images[:samples], columns=1), f"{step}", 14)
        for images, step in zip(trajectory, steps, strict=True)
    ]
    sheet = Image.new("RGB", (sum(column.width for column in columns), columns[0].height), _PAPER)
    for number, column in enumerate(columns):
        sheet.paste(column, (number * column.width, 0))
    return captioned(sheet, "step")


def _tiles(images: Tensor) -> np.ndarray:
    """(n, height, width, 3) bytes."""
    shape = tuple(images.shape)
    if images.ndim != 4 or shape[1] not in (1, 3) or images.numel() == 0:
        raise ValueError(f"images have shape {shape}; it must be (n, 1 or 3, height, width) with n at least 1")
    if images.is_floating_point():
        if images.isnan().any():
            raise ValueError("images contain NaN; stop the flow before it diverges")
        images = to_uint8(images.detach())
    elif images.dtype != torch.uint8:
        raise TypeError(f"images are {images.dtype}; give uint8, or floats on [-1, 1]")
    return images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()
