"""Images by the name of their data set."""

from __future__ import annotations

from typing import Literal

from wasserflow.data.images import LabelledImages, Split, cifar10, mnist

ImagesName = Literal["cifar10", "mnist"]

SHIPPED_PAIRS = {"cifar10": "cifar10-sndcgan", "mnist": "mnist-gan"}


def images_of(data: ImagesName, split: Split) -> LabelledImages:
    """Read a data set by name."""
    return cifar10(split) if data == "cifar10" else mnist(split)


def mirrored(data: str, flips: bool | None) -> bool:
    """Whether to mirror half of the images: as asked, else where a mirrored image is one, unlike a digit."""
    return data == "cifar10" if flips is None else flips
