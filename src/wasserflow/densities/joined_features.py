"""Features of several networks as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.densities.features import Features, feature_rows, flat_features


@dataclass(frozen=True, eq=False)
class JoinedFeatures:
    """φ(x) = (φ_1(x) / s_1, φ_2(x) / s_2, ...), so that ‖φ(a) - φ(b)‖² sums what several networks see.

    Networks see different things: one what a class depends on, another colours and textures.

    Args:
        parts: maps of (batch, *event) to (batch, ...).
        scales: s_i > 0, one each.

    Raises:
        ValueError: no parts, another number of scales, or a scale that is not positive.

    Example:
        >>> import torch
        >>> from wasserflow.densities import JoinedFeatures
        >>> JoinedFeatures((torch.abs, torch.square), (1.0, 2.0))(torch.tensor([[-2.0]]))
        tensor([[2., 2.]])
    """

    parts: tuple[Features, ...]
    scales: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.parts or len(self.parts) != len(self.scales):
            raise ValueError(f"there are {len(self.parts)} features and {len(self.scales)} scales; give one scale each")
        if not min(self.scales) > 0:
            raise ValueError(f"the scales are {self.scales}; each must be positive")

    @classmethod
    def balanced(cls, parts: Sequence[Features], samples: Float[Tensor, "n *event"]) -> JoinedFeatures:
        """Scale each part to a total variance of 1 over some samples.

        Args:
            parts: maps of (batch, *event) to (batch, ...), in eval mode.
            samples: (n, *event), at least 2.
        """
        rows = [feature_rows(part, samples) for part in parts]
        return cls(tuple(parts), tuple(float(part.var(dim=0).sum().sqrt()) for part in rows))

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch dim"]:
        """Evaluate all parts on (batch, *event)."""
        return torch.cat([flat_features(part, x) / s for part, s in zip(self.parts, self.scales, strict=True)], dim=1)
