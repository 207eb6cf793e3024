"""Real samples to learn from: never those that results are measured against."""

from __future__ import annotations

import torch
from torch import Tensor

from wasserflow.cli.names.images import IMAGE_SETS
from wasserflow.cli.names.measures import POINTS, reference_images
from wasserflow.data.images import to_float
from wasserflow.seeds import subseed

_POINTS_SEED = subseed(0, "real points")


def as_floats(stored: Tensor) -> Tensor:
    """Turn 8-bit images into floats on [-1, 1]; points are floats already."""
    return to_float(stored) if stored.dtype == torch.uint8 else stored


def training_samples(source: str | None, data: str, n: int, purpose: str, without: str) -> Tensor:
    """Read some real samples of the training split.

    Args:
        source: `cifar10`, `mnist`, a toy, or a folder, .parquet or .npz of images; None for what the model was trained
            on.
        data: what the model was trained on.
        n: how many, the first of the set.
        purpose: who needs them, for messages.
        without: how to do without them, for messages.

    Returns:
        uint8 images or float points.

    Raises:
        ValueError: none can be found, or too few; the message says what to do.
    """
    name = source or data
    if name in POINTS:
        return POINTS[name].sample(n, seed=_POINTS_SEED)
    if source is None and name not in IMAGE_SETS:
        raise ValueError(
            f"{purpose} needs real samples, and those of {data} are what results are measured against; "
            f"give others with --real, {without}"
        )
    try:
        images = IMAGE_SETS[name].read("train").images if name in IMAGE_SETS else reference_images(name)
    except FileNotFoundError as error:
        raise ValueError(f"{purpose} needs real samples: {error}; {without}") from error
    if len(images) < n:
        raise ValueError(f"references is {n}, but {name} has {len(images)} images; give fewer")
    return images[:n].clone()  # a view would keep all of them
