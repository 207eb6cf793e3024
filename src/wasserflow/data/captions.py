"""Captions of labelled images."""

from __future__ import annotations

from collections.abc import Sequence

_TEMPLATES = (
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "a small photo of {}",
    "a blurry photo of {}",
    "a good photo of {}",
    "this is {}",
    "{}",
)
CIFAR10_NAMES = (
    ("an airplane", "a plane"),
    ("an automobile", "a car"),
    ("a bird",),
    ("a cat",),
    ("a deer",),
    ("a dog",),
    ("a frog",),
    ("a horse",),
    ("a ship", "a boat"),
    ("a truck",),
)


def captions(names: Sequence[Sequence[str]] = CIFAR10_NAMES) -> tuple[tuple[str, ...], ...]:
    """Write every caption of every class: each template with each of its names.

    Args:
        names: the names of each class with their article, the usual one first; CIFAR-10's by default.

    Returns:
        For each class its captions, "a photo of ..." with the usual name first.

    Example:
        >>> from wasserflow.data.captions import captions
        >>> captions()[5][:2]
        ('a photo of a dog', 'a picture of a dog')
    """
    return tuple(tuple(template.format(name) for name in own for template in _TEMPLATES) for own in names)
