"""The distance to where a particle began."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.potentials.potential import Potential
from wasserflow.rows import rows_of
from wasserflow.spaces.space import sum_event


@dataclass(frozen=True, eq=False)
class Proximal(Potential):
    """The transport cost ‖x - anchor‖, smoothed to sqrt(‖x - anchor‖² + smoothing²) so that it has a gradient at 0.

    Args:
        anchor: (batch, *event) or (*event): where the particles started; one each follows them into their groups.
        smoothing: length below which the cone is rounded, in the units of x.

    Raises:
        ValueError: a smoothing that is not positive, or, when called, particles of another shape.

    Source: DOT (Tanaka 2019, arXiv 1910.06832), eq. 8.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.Proximal(torch.zeros(1, 2))(torch.tensor([[3.0, 4.0]]))
        tensor([5.])
    """

    anchor: Float[Tensor, "*shape"]
    smoothing: float = 1e-6

    def __post_init__(self) -> None:
        if not self.smoothing > 0:
            raise ValueError(
                f"smoothing is {self.smoothing}; it must be positive: the gradient at the anchor is NaN without"
            )

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the distance of (batch, *event) particles."""
        anchor = self.anchor
        if anchor.shape != x.shape[1:] and anchor.ndim == x.ndim:
            anchor = rows_of(anchor)
        if anchor.shape not in {x.shape, x.shape[1:]}:
            raise ValueError(
                f"the anchor has shape {tuple(anchor.shape)} and the particles {tuple(x.shape)}; "
                f"give an anchor of {tuple(x.shape)} or {tuple(x.shape[1:])}"
            )
        # In half precision the square of a small length is 0.
        rounding = max(self.smoothing**2, torch.finfo(x.dtype).tiny)
        return (sum_event((x - anchor).square()) + rounding).sqrt()
