"""Images by the name of their data set, and what ships for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wasserflow.data.images import LabelledImages, Split, cifar10, mnist

ImagesName = Literal["cifar10", "mnist"]


@dataclass(frozen=True)
class ImageSet:
    """A data set that commands know by name.

    Args:
        read: gives the images of a split.
        shape: (channels, height, width) of an image.
        mirrors: whether a mirrored image is one, unlike a digit.
        pair: the shipped generator and critic of it.
        judge: the shipped classifier of it, whose features measure samples.
    """

    read: Callable[[Split], LabelledImages]
    shape: tuple[int, int, int]
    mirrors: bool
    pair: str
    judge: str


IMAGE_SETS: dict[str, ImageSet] = {
    "cifar10": ImageSet(cifar10, (3, 32, 32), True, "cifar10-sndcgan", "cifar10-resnet"),
    "mnist": ImageSet(mnist, (1, 28, 28), False, "mnist-gan", "mnist-resnet"),
}
# What results are measured against, and what settings are chosen on.
IMAGE_REFERENCES: dict[str, tuple[ImageSet, Split]] = {
    **{name: (images, "test") for name, images in IMAGE_SETS.items()},
    **{f"{name}-validation": (images, "validation") for name, images in IMAGE_SETS.items()},
}


def images_of(data: str, split: Split) -> LabelledImages:
    """Read a data set by name."""
    return IMAGE_SETS[data].read(split)


def mirrored(data: str, flips: bool | None) -> bool:
    """Whether to mirror half of the images: as asked, else where a mirrored image is one."""
    return IMAGE_SETS[data].mirrors if flips is None else flips
