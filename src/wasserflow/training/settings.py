"""Settings of a training that are out of range, refused by their names before anything is written."""

from __future__ import annotations

import math


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


def require_adam(lr: float, betas: tuple[float, float] = (0.9, 0.999)) -> None:
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
