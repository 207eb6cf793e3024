"""What a density estimator can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor


@runtime_checkable
class LogDensity(Protocol):
    """A log-density of features, up to an additive constant, differentiable in them."""

    def __call__(
        self, features: Float[Tensor, "batch dim"], own: Int64[Tensor, " batch"] | None = None
    ) -> Float[Tensor, " batch"]:
        """Evaluate at (batch, dim) features; `own` numbers the reference that each of them is and must leave out."""


@runtime_checkable
class Density(Protocol):
    """The hyper-parameters of an estimator."""

    @property
    def mollifier(self) -> float | Sequence[float]:
        """Standard deviation of the references' shifts in data space, or one a step; 0 for none."""

    @property
    def draws(self) -> int:
        """Shifts of each reference."""

    def fit(self, features: Float[Tensor, "n dim"], shifted: Float[Tensor, "draws n dim"] | None = None) -> LogDensity:
        """Estimate the log-density that (n, dim) reference features were drawn from."""


def require_references(features: Shaped[Tensor, "*shape"], shifted: Shaped[Tensor, "*more"] | None = None) -> None:
    """Refuse references that no density can be estimated from.

    Raises:
        ValueError: not (n, dim) with n of at least 2, not finite, or shifted copies of another shape.
        TypeError: not floating point.
    """
    if not features.is_floating_point():
        raise TypeError(f"the reference features are {features.dtype}; give floating-point features")
    if features.ndim != 2 or len(features) < 2 or features.shape[1] == 0:
        raise ValueError(f"the reference features have shape {tuple(features.shape)}; give (n, dim), n at least 2")
    # Block by block: isfinite makes a copy of what it is given.
    finite = [rows.isfinite().all(dim=1) for rows in features.split(1024)]
    bad = (~torch.cat(finite)).nonzero().flatten()
    if len(bad):
        raise ValueError(f"reference {int(bad[0])} has NaN or infinite features; leave it out, or mend what made it")
    if shifted is not None and (shifted.ndim != 3 or shifted.shape[1:] != features.shape or len(shifted) == 0):
        raise ValueError(
            f"the shifted features have shape {tuple(shifted.shape)} for references {tuple(features.shape)}; "
            f"give (draws, {features.shape[0]}, {features.shape[1]})"
        )
