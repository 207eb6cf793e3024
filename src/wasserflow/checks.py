"""Refusals that several rooms share."""

from __future__ import annotations

from torch import Tensor


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


def require_steps(steps: object) -> None:
    """Refuse anything but an int of at least 1.

    Raises:
        ValueError: below 1.
        TypeError: not an int.
    """
    if isinstance(steps, bool) or not isinstance(steps, int):
        raise TypeError(f"steps is {steps!r}; give an int of at least 1")
    if steps < 1:
        raise ValueError(f"steps is {steps}; take at least 1")


def not_finite(values: Tensor) -> list[int]:
    """Which samples of a batch hold a NaN or an infinity."""
    finite = values.isfinite()
    if finite.all():
        return []
    return (~finite.reshape(len(values), -1).all(dim=1)).nonzero().flatten().tolist()


def listed(indices: list[int]) -> str:
    """A few indices, and how many there are."""
    shown = ", ".join(map(str, indices[:8]))
    return f"{shown}, ... ({len(indices)} in all)" if len(indices) > 8 else shown
