"""Settings of a training that are out of range, refused by their names before anything is written."""

from __future__ import annotations

import math
from numbers import Integral


def require_counts(least: int = 1, /, **counts: int) -> None:
    """Refuse anything but ints of at least so much.

    Raises:
        TypeError: one that is not an int.
        ValueError: one below the least.

    Example:
        >>> from wasserflow.training.settings import require_counts
        >>> require_counts(batch_size=64, iterations=1)
    """
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f"{name} is {value!r}; give an int")
        if value < least:
            raise ValueError(f"{name} is {value}; give {least} or more")


def require_not_negative(**numbers: float) -> None:
    """Refuse numbers below 0, NaN and infinity.

    Raises:
        ValueError: one of these.
    """
    for name, value in numbers.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} is {value}; give 0 or more")


def require_positive(**numbers: float) -> None:
    """Refuse numbers not above 0, NaN and infinity.

    Raises:
        ValueError: one of these.
    """
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is {value}; give a number above 0")


def require_adam(lr: float, betas: tuple[float, float]) -> None:
    """Refuse settings that Adam refuses too, but when the run has begun.

    Args:
        lr: learning rate.
        betas: decay rates of the means of gradients and of their squares.

    Raises:
        ValueError: a negative or infinite rate, or a decay rate outside [0, 1).
    """
    require_not_negative(lr=lr)
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas is {betas}; give two numbers from 0 to below 1")
