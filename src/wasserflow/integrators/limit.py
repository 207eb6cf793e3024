"""Longest moves: what is longer is cut, each particle's on its own."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def require_limit(**limits: float | None) -> None:
    """Refuse limits that are not above 0; None is none.

    Raises:
        ValueError: one of these.
    """
    for name, value in limits.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value}; give a number above 0, or None for no limit")


def shortened(move: Float[Tensor, "batch *event"], longest: float | None) -> Float[Tensor, "batch *event"]:
    """Cut the moves of more than a Euclidean length down to it; None leaves them all as they are.

    Example:
        >>> import torch
        >>> from wasserflow.integrators.limit import shortened
        >>> shortened(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0)
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    if longest is None:
        return move
    lengths = move.reshape(len(move), -1).norm(dim=1).view(-1, *[1] * (move.ndim - 1))
    return move * (longest / lengths).clamp(max=1.0)
