"""What images keep of those that they were made from."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

Features = Float[Tensor, "n features"]
Images = Float[Tensor, "n channels height width"]


@dataclass(frozen=True)
class Kept:
    """Likeness of images to those that they were made from, each from -1 to 1.

    Args:
        pixel_correlation: of the pixels of an image and its origin; the mean over images.
        colour_correlation: of the mean colours of images and origins, over the images; the mean over channels. For grey
            images it is that of the brightness. NaN of a single image.
        feature_cosine: of the features of an image and its origin; the mean over images; None without features.
    """

    pixel_correlation: float
    colour_correlation: float
    feature_cosine: float | None = None


def kept(before: Images, after: Images, features: tuple[Features, Features] | None = None) -> Kept:
    """Measure how much each image has kept of the one that it was made from.

    Images of one kind are alike anyway: compare with the same numbers of images and the origins of others.

    Args:
        before: (n, channels, height, width) origins.
        after: the images, in the same order.
        features: (n, features) of both.

    Returns:
        The likenesses.

    Raises:
        ValueError: another number of images after than before.

    Example:
        >>> import torch
        >>> x = torch.rand(4, 3, 8, 8)
        >>> round(kept(x, x / 2).pixel_correlation, 4)
        1.0
    """
    if before.shape != after.shape:
        raise ValueError(f"the images have shapes {tuple(before.shape)} and {tuple(after.shape)}; give pairs")
    return Kept(
        pixel_correlation=_correlation(before.flatten(1), after.flatten(1)),
        colour_correlation=_correlation(before.mean(dim=(2, 3)).T, after.mean(dim=(2, 3)).T),
        feature_cosine=None if features is None else float(cosine_similarity(*features).mean()),
    )


def _correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's, of each row of a with that of b; the mean over rows that vary, NaN if none does."""
    a, b = (part.double() - part.double().mean(dim=1, keepdim=True) for part in (a, b))
    lengths = a.norm(dim=1) * b.norm(dim=1)
    return float(((a * b).sum(dim=1) / lengths)[lengths > 0].mean())
