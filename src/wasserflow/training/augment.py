"""Random changes of training data which leave their meaning alone."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from wasserflow.data.images import to_float


def flip(
    images: Shaped[Tensor, "batch channels height width"], generator: torch.Generator
) -> Shaped[Tensor, "batch channels height width"]:
    """Mirror each image left to right with probability one half.

    Args:
        images: (batch, channels, height, width) of any dtype.
        generator: the random stream, on the CPU.

    Returns:
        New images of the same shape.

    Example:
        >>> import torch
        >>> from wasserflow.training.augment import flip
        >>> flip(torch.arange(4.0).reshape(2, 1, 1, 2), torch.Generator().manual_seed(0)).flatten().tolist()
        [1.0, 0.0, 2.0, 3.0]
    """
    mirrored = torch.rand(len(images), generator=generator).lt(0.5).to(images.device)
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def crop(
    images: Float[Tensor, "batch channels height width"], padding: int, generator: torch.Generator
) -> Float[Tensor, "batch channels height width"]:
    """Shift each image by up to `padding` pixels each way; what comes in from outside mirrors the border.

    Args:
        images: (batch, channels, height, width).
        padding: the largest shift in pixels, less than height and width.
        generator: the random stream, on the CPU.

    Returns:
        New images of the same shape.

    Example:
        >>> import torch
        >>> from wasserflow.training.augment import crop
        >>> crop(torch.zeros(2, 3, 8, 8), padding=2, generator=torch.Generator()).shape
        torch.Size([2, 3, 8, 8])
    """
    batch, _, height, width = images.shape
    padded = functional.pad(images, (padding,) * 4, mode="reflect")
    top, left = torch.randint(0, 2 * padding + 1, (2, batch), generator=generator).to(images.device)
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    sample = torch.arange(batch, device=images.device)[:, None, None]
    return padded[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def noisy(
    data: Shaped[Tensor, "batch *event"], flips: bool, std: float, generator: torch.Generator
) -> Float[Tensor, "batch *event"]:
    """Add normal noise to data, images mirrored first.

    Args:
        data: (batch, *event) floats, or uint8 images, which become floats on [-1, 1].
        flips: mirror half of the images.
        std: standard deviation of the noise, in units of the floats.
        generator: the random stream, on the CPU.

    Returns:
        New data of the same shape.

    Example:
        >>> import torch
        >>> from wasserflow.training.augment import noisy
        >>> noisy(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8), False, 0.0, torch.Generator()).item()
        1.0
    """
    data = to_float(data) if data.dtype == torch.uint8 else data
    data = flip(data, generator) if flips else data
    return data + std * torch.randn(data.shape, generator=generator, dtype=data.dtype).to(data.device)
