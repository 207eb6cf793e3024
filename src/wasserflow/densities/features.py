"""Features of samples as a matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from wasserflow.freezing import modules_in
from wasserflow.modes import require_eval
from wasserflow.rows import moving

Features = Callable[[Tensor], Tensor]
"""Samples (batch, *event) -> features (batch, ...), differentiable."""


def flat_features(features: Features | None, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch dim"]:
    """Evaluate features, one row a sample; without a function, the samples themselves. At least in single precision.

    Raises:
        ValueError: the features are not a floating-point tensor with one row a sample.
    """
    values = x if features is None else features(x.clone())  # networks may begin in place
    if not isinstance(values, Tensor) or values.ndim == 0 or len(values) != len(x) or not values.is_floating_point():
        got = f"{values.dtype} {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"the features of {len(x)} samples are {got}; they must be floating point ({len(x)}, ...)")
    return at_least_single(values.reshape(len(x), -1))


def at_least_single(values: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """Features that a network has in half precision: squared distances between them need more digits than it has."""
    return values if values.dtype == torch.float64 else values.float()


def feature_rows(
    features: Features | None, samples: Shaped[Tensor, "n *event"], batch_size: int = 500
) -> Float[Tensor, "n dim"]:
    """Evaluate features in batches, without gradients.

    Args:
        features: maps (batch, *event) to (batch, ...), in eval mode; None for the samples themselves.
        samples: (n, *event), at least one.
        batch_size: samples a call.

    Returns:
        (n, dim), written into one matrix as they come: at no time are there two copies. Half precision becomes single.

    Raises:
        ValueError: a module in train mode, or features that are not (batch, ...).

    Example:
        >>> import torch
        >>> feature_rows(lambda x: 2 * x, torch.ones(5, 1, 2), batch_size=2).shape
        torch.Size([5, 2])
    """
    require_eval(modules_in(features))
    rows: Tensor | None = None
    with torch.no_grad():
        for start in range(0, len(samples), batch_size):
            group = slice(start, start + batch_size)
            with moving(group):
                part = flat_features(features, samples[group])
            if rows is None:
                rows = part.new_empty(len(samples), part.shape[1])
            rows[start : start + len(part)] = part
    if rows is None:
        raise ValueError("there are no samples to take features of; give at least one")
    return rows


@dataclass(frozen=True, eq=False)
class ReferenceFeatures:
    """Features of real samples, computed once and kept: what `gmi` takes as `real` in place of the samples.

    Args:
        values: (n, dim) features.

    Example:
        >>> import torch
        >>> from wasserflow.densities import ReferenceFeatures
        >>> ReferenceFeatures.of(lambda x: x.mean(dim=1), torch.ones(5, 3, 2)).values.shape
        torch.Size([5, 2])
    """

    values: Float[Tensor, "n dim"]

    @classmethod
    def of(
        cls, features: Features | None, samples: Float[Tensor, "n *event"], batch_size: int = 500
    ) -> ReferenceFeatures:
        """Compute them in batches; see `feature_rows`."""
        return cls(feature_rows(features, samples, batch_size))

    def save(self, path: str | Path) -> None:
        """Write them to a safetensors file."""
        from safetensors.torch import save_file

        save_file({"features": self.values.contiguous()}, str(path))

    @classmethod
    def load(cls, path: str | Path) -> ReferenceFeatures:
        """Read what `save` wrote, on the CPU."""
        from safetensors.torch import load_file

        return cls(load_file(str(path))["features"])
