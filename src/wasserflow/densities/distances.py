"""Squared distances as one matrix product."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def squared_distances(a: Float[Tensor, "m dim"], b: Float[Tensor, "n dim"]) -> Float[Tensor, "m n"]:
    """‖a - b‖² = ‖a‖² + ‖b‖² - 2 a·b, of points centred first: the cancellation grows with their norm.

    Raises:
        ValueError: points of another dimension than the references.
    """
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"the points have {a.shape[1]} features and the references {b.shape[1]}; use the same features for both"
        )
    centre = b.mean(dim=0)
    a, b = a - centre, b - centre
    squared = a.square().sum(dim=1, keepdim=True) + b.square().sum(dim=1)
    return squared.addmm_(a, b.T, alpha=-2).clamp_(min=0)
