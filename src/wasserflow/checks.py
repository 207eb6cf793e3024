"""Refusals that several rooms share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

from jaxtyping import Shaped
from torch import Tensor

_TOLERANCE = 1e-4


def require_particles(x: object) -> None:
    """Refuse anything but a non-empty, finite floating-point tensor (batch, *event).

    Raises:
        TypeError: not a floating-point tensor.
        ValueError: no samples, or some that are NaN or infinite.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"the particles are {kind}; they move, so give a floating-point tensor (batch, *event)")
    if x.ndim == 0 or x.numel() == 0:
        raise ValueError(f"the particles have shape {tuple(x.shape)}; give (batch, *event) with at least one sample")
    bad = not_finite(x)
    if bad:
        raise ValueError(f"the particles are NaN or infinite in sample {listed(bad)}; leave those out")


def require_counts(least: int = 1, /, **counts: object) -> None:
    """Refuse anything but ints of at least so much, by their names.

    Raises:
        TypeError: one that is not an int.
        ValueError: one below the least.

    Example:
        >>> from wasserflow.checks import require_counts
        >>> require_counts(batch_size=64, iterations=1)
    """
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f"{name} is {value!r}; give an int of at least {least}")
        if value < least:
            raise ValueError(f"{name} is {value}; give at least {least}")


def require_momentum(momentum: float) -> None:
    """Refuse a momentum that an average could not have.

    Raises:
        ValueError: below 0, or 1 and more.
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum is {momentum}; it must be 0 or more, and below 1")


def require_methods(name: str, value: object, methods: Sequence[str], example: str) -> None:
    """Refuse an object that lacks a method, and a class in the place of an object.

    Args:
        name: what a message calls it.
        value: the object.
        methods: their names; `__call__` for a function or a module.
        example: what to give instead.

    Raises:
        TypeError: it lacks one.

    Example:
        >>> from wasserflow.checks import require_methods
        >>> require_methods("critic", len, ["__call__"], "a function")
    """
    if isinstance(value, type) or any(not callable(getattr(value, method, None)) for method in methods):
        shown = f"{type(value).__name__} {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)
        raise TypeError(f"the {name} is {shown}; give {example}")


def not_finite(values: Tensor) -> list[int]:
    """Which samples of a batch hold a NaN or an infinity."""
    if surely_finite(values):
        return []
    finite = values.isfinite()
    return (~finite.reshape(len(values), -1).all(dim=1)).nonzero().flatten().tolist()


def surely_finite(first: Tensor, *others: Tensor) -> bool:
    """Whether one sum tells that no number is NaN or infinite; it may overflow, and then does not."""
    return math.isfinite(sum((values.detach().sum() for values in others), first.detach().sum()))


def listed(indices: list[int]) -> str:
    """A few indices, and how many there are."""
    shown = ", ".join(map(str, indices[:8]))
    return f"{shown}, ... ({len(indices)} in all)" if len(indices) > 8 else shown


def check_images(images: Shaped[Tensor, "*shape"]) -> None:
    """Refuse tensors that are not images (batch, 1 or 3 channels, height, width) of floats on [-1, 1].

    Args:
        images: the tensor to check.

    Raises:
        TypeError: no floating-point tensor.
        ValueError: another shape, NaN, or values outside [-1, 1].

    Example:
        >>> import torch
        >>> from wasserflow.checks import check_images
        >>> check_images(torch.zeros(4, 3, 32, 32))
    """
    if isinstance(images, (tuple, list)):
        raise TypeError(
            f"a batch of images is a {type(images).__name__} of {len(images)}; give tensors of images alone: "
            "(images for images, labels in loader)"
        )
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images are a {type(images).__name__}; give a tensor of floats on [-1, 1], or an iterable of such "
            "batches: torch.from_numpy(images) makes one of an array"
        )
    if not images.is_floating_point():
        raise TypeError(
            f"images are {images.dtype}; give floats on [-1, 1]: "
            "wasserflow.data.images.to_float(images) makes them of 8-bit images"
        )
    shape = tuple(images.shape)
    if images.ndim != 4 or shape[1] not in (1, 3):
        channels_last = images.ndim == 4 and shape[-1] in (1, 3)
        mend = "use images.permute(0, 3, 1, 2)" if channels_last else "grey images have 1 channel, colour images 3"
        raise ValueError(f"images have shape {shape}; it must be (n, 1 or 3, height, width): {mend}")
    if images.numel() == 0:
        raise ValueError(f"images have shape {shape}: there are none; give at least one")
    low, high = (float(bound) for bound in images.detach().aminmax())
    if not (low >= -1 - _TOLERANCE and high <= 1 + _TOLERANCE):
        raise ValueError(
            f"images lie in [{low:.6g}, {high:.6g}]; they must be finite and in [-1, 1]: "
            "8-bit values are mapped by x / 127.5 - 1, values on [0, 1] by 2 * x - 1"
        )


def require_features(**sets: object) -> None:
    """Refuse anything but tensors (n, features).

    Args:
        sets: by the name that a message gives them.

    Raises:
        TypeError: one that is not a tensor.
        ValueError: another shape.
    """
    for name, features in sets.items():
        if not isinstance(features, Tensor):
            raise TypeError(
                f"{name} is a {type(features).__name__}; give a tensor (n, features): torch.from_numpy makes one of an "
                "array, wasserflow.metrics.extract_features one of images"
            )
        if features.ndim != 2:
            raise ValueError(f"{name} has shape {tuple(features.shape)}; give (n, features)")
        if bad := not_finite(features):
            raise ValueError(f"{name} is NaN or infinite in row {listed(bad)}; leave those out")


def require_sets(**sets: object) -> None:
    """Refuse sets of samples that are empty, not finite, or unlike each other.

    Args:
        sets: (n, *event) floating-point samples by the name that a message gives them.

    Raises:
        TypeError: one that is not a floating-point tensor.
        ValueError: an empty one, NaN or infinity, or another shape of a sample or dtype than the first's.
    """
    first: tuple[str, Tensor] | None = None
    for name, x in sets.items():
        if not isinstance(x, Tensor) or not x.is_floating_point():
            kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{name} is {kind}; give a floating-point tensor (n, *event)")
        if x.ndim == 0 or x.numel() == 0:
            raise ValueError(f"{name} has shape {tuple(x.shape)}: it is empty; give at least one sample")
        bad = not_finite(x)
        if bad:
            raise ValueError(f"{name} is NaN or infinite in sample {listed(bad)}; leave those out")
        first = first or (name, x)
        if (x.shape[1:], x.dtype) != (first[1].shape[1:], first[1].dtype):
            raise ValueError(
                f"{name} has {x.dtype} samples of shape {tuple(x.shape[1:])}, and {first[0]} {first[1].dtype} ones of "
                f"{tuple(first[1].shape[1:])}; make these the same"
            )


def require_weights(weights: tuple[float, float, float]) -> tuple[float, float, float]:
    """Refuse anything but three finite numbers.

    Raises:
        ValueError: another count, or NaN or infinite numbers.
        TypeError: not a sequence of numbers.
    """
    if not isinstance(weights, (tuple, list)) or any(not isinstance(w, Real) or isinstance(w, bool) for w in weights):
        raise TypeError(f"weights is {weights!r}; give three numbers, of log q, log p and log p(c | x)")
    if len(weights) != 3 or not all(math.isfinite(w) for w in weights):
        raise ValueError(f"weights is {weights!r}; give three finite numbers, of log q, log p and log p(c | x)")
    return weights
