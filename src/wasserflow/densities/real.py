"""The log-density of real samples, as the steps of a flow need it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_particles
from wasserflow.densities.density import Density, LogDensity
from wasserflow.densities.features import Features, ReferenceFeatures, feature_rows
from wasserflow.densities.mollifier import mollifier_at, shifted_features
from wasserflow.seeds import Noise, sample_seeds


def real_log_density(
    features: Features | None,
    real: Tensor | ReferenceFeatures | None,
    density: Density,
    like: Float[Tensor, "batch *event"],
    seed: int = 0,
) -> Callable[[int], LogDensity | None]:
    """log p of real samples at each step, computed once for each standard deviation of a mollifier.

    Args:
        features: φ, maps (batch, *event) to (batch, ...).
        real: (n, *event) samples, or their features, or None for no log p.
        density: the estimator.
        like: the particles, whose device and dtype the samples must have.
        seed: of the shifts of a mollified kernel.

    Returns:
        From a step (0, 1, ...) to log p on features, or to None.

    Raises:
        ValueError: another device or dtype, or a mollified kernel of samples of which only the features are known.

    Example:
        >>> import torch, wasserflow as wf
        >>> from wasserflow.densities import real_log_density
        >>> real = torch.tensor([[0.0], [2.0]])
        >>> log_p = real_log_density(None, real, wf.KernelDensity(bandwidth=1.0), like=torch.zeros(1, 1))
        >>> log_p(0)(torch.tensor([[1.0]]))
        tensor([-1.])
    """
    require_particles(like)
    if real is None:
        return lambda step: None
    values = real.values if isinstance(real, ReferenceFeatures) else real
    if values.device != like.device or values.dtype != like.dtype:
        raise ValueError(
            f"real is {values.dtype} on {values.device} but the particles are {like.dtype} on {like.device}; "
            "convert one with .to()"
        )

    @lru_cache(maxsize=1)
    def plain() -> Tensor:
        return real.values if isinstance(real, ReferenceFeatures) else feature_rows(features, real)

    @lru_cache(maxsize=1)
    def fitted(scale: float) -> LogDensity:
        if scale == 0:
            return density.fit(plain())
        if isinstance(real, ReferenceFeatures):
            raise ValueError(
                f"mollifier is {scale} and real are features; its kernel shifts samples: give those as real"
            )
        noise = Noise(sample_seeds(seed, len(real)).to(real.device))
        return density.fit(plain(), shifted_features(features, real, scale, density.draws, noise))

    return lambda step: fitted(mollifier_at(density.mollifier, step))
