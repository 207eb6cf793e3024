"""The log-density of real samples, as the steps of a flow need it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_methods, require_particles
from wasserflow.densities.density import Density, LogDensity
from wasserflow.densities.features import Features, ReferenceFeatures, at_least_single, feature_rows
from wasserflow.densities.gather import gather_rows
from wasserflow.densities.mollifier import mollifier_at, shifted_features
from wasserflow.seeds import Noise, Seed, sample_seeds


def real_log_density(
    features: Features | None,
    real: Tensor | ReferenceFeatures | None,
    density: Density,
    like: Float[Tensor, "batch *event"],
    seed: Seed = 0,
    across_processes: bool = False,
    weight: float = 1.0,
) -> Callable[[int], LogDensity | None]:
    """log p of real samples at each step, computed once for each standard deviation of a mollifier.

    Args:
        features: φ, maps (batch, *event) to (batch, ...).
        real: (n, *event) samples, or their features, or None for no log p.
        density: the estimator.
        like: the particles, whose device and dtype the samples must have.
        seed: of the shifts of a mollified kernel; given one a particle, the first particle's decides.
        across_processes: the first particle is that of the first process.
        weight: of log p; 0 leaves it out, and then nothing is computed.

    Returns:
        From a step (0, 1, ...) to log p on features, or to None.

    Raises:
        TypeError: a density that is none.
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
    require_methods("density", density, ["fit"], "one such as wf.KernelRidge(ridge=0.1)")
    if real is None or weight == 0:
        return lambda step: None
    values = at_least_single(real.values) if isinstance(real, ReferenceFeatures) else real
    expected = at_least_single(like).dtype if isinstance(real, ReferenceFeatures) else like.dtype
    if values.device != like.device or values.dtype != expected:
        raise ValueError(
            f"real is {values.dtype} on {values.device} but the particles are {like.dtype} on {like.device}; "
            "convert one with .to()"
        )

    first = sample_seeds(seed, len(like))[:1].to(like.device)
    if across_processes:
        first = gather_rows(first)[0][:1]
    # Step -1 keeps these shifts apart from those of the particles, which are of the steps from 0 on.
    shifts = int(Noise(first, step=-1).integers(stream=1))

    @lru_cache(maxsize=1)
    def plain() -> Tensor:
        return values if isinstance(real, ReferenceFeatures) else feature_rows(features, values)

    @lru_cache(maxsize=1)
    def fitted(scale: float) -> LogDensity:
        if scale == 0:
            return density.fit(plain())
        if isinstance(real, ReferenceFeatures):
            raise ValueError(
                f"mollifier is {scale} and real are features; its kernel shifts samples: give those as real"
            )
        noise = Noise(sample_seeds(shifts, len(real)).to(real.device), step=0)
        return density.fit(plain(), shifted_features(features, real, scale, density.draws, noise))

    return lambda step: fitted(mollifier_at(density.mollifier, step))
