"""Mollified kernels: the references shifted at random in data space."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_counts
from wasserflow.densities.features import Features, feature_rows
from wasserflow.seeds import Noise


def require_mollifier(mollifier: float | Sequence[float], draws: int) -> None:
    """Refuse negative or infinite standard deviations, and fewer than one draw.

    Raises:
        ValueError: as above, or an empty sequence.
    """
    scales = [mollifier] if isinstance(mollifier, (int, float)) else list(mollifier)
    if not scales or not all(0 <= scale < math.inf for scale in scales):
        raise ValueError(f"mollifier is {mollifier}; give standard deviations of 0 or more, in units of the samples")
    require_counts(draws=draws)


def mollifier_at(mollifier: float | Sequence[float], step: int) -> float:
    """The standard deviation of a step (0, 1, ...); the last of a sequence stays.

    Example:
        >>> [mollifier_at((0.3, 0.1), step) for step in range(3)]
        [0.3, 0.1, 0.1]
    """
    return mollifier if isinstance(mollifier, (int, float)) else mollifier[min(step, len(mollifier) - 1)]


def shifted_features(
    features: Features | None,
    samples: Float[Tensor, "n *event"],
    scale: float,
    draws: int,
    noise: Noise,
    batch_size: int = 500,
) -> Float[Tensor, "draws n dim"]:
    """φ(x_j - ε_ij) with ε ~ N(0, scale²), the references of the mollified kernel (1/m) Σ_i k(x, x_j - ε_ij).

    Args:
        features: φ, maps (batch, *event) to (batch, ...); None for the samples themselves.
        samples: (n, *event) x.
        scale: in the units of the samples.
        draws: m.
        noise: one stream a sample.
        batch_size: samples a call of φ.

    Returns:
        (draws, n, dim) features, without gradients.

    Source: Zhou et al., definition of k_ψ and theorem 4.

    Example:
        >>> import torch, wasserflow as wf
        >>> from wasserflow.seeds import Noise
        >>> shifted_features(lambda x: x, torch.zeros(2, 3), 0.1, 4, Noise(wf.sample_seeds(0, 2), step=0)).shape
        torch.Size([4, 2, 3])
    """
    # Streams from 1 on: an integrator's noise of the same step is stream 0.
    shifts = (noise.normal(samples, stream=stream) for stream in range(1, draws + 1))
    return torch.stack([feature_rows(features, samples - scale * shift, batch_size) for shift in shifts])
