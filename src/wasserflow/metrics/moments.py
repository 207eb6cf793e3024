"""Mean and covariance of features as streaming sums, and the Fréchet distance of two such pairs.

torchmetrics' class holds both sides in one object and cannot start from stored moments; the sums here can be merged
and saved. Its matrix root also loses half the digits where there are fewer samples than features.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from wasserflow.checks import require_features

FEW_SAMPLES = 2_048


@dataclass(frozen=True, eq=False)
class FeatureMoments:
    """Float64 sums over features: enough for their mean and covariance, and they add.

    Args:
        total: (features,) sum of the features.
        outer: (features, features) sum of their outer products.
        count: how many there were.

    Example:
        >>> import torch
        >>> a, b = torch.randn(5, 3), torch.randn(7, 3)
        >>> both = FeatureMoments.of(a) + FeatureMoments.of(b)
        >>> torch.allclose(both.covariance, torch.cat([a, b]).double().T.cov())
        True
    """

    total: Float64[Tensor, " features"]
    outer: Float64[Tensor, "features features"]
    count: int

    @classmethod
    def of(cls, features: Float[Tensor, "n features"]) -> FeatureMoments:
        """Sum (n, features) features.

        Raises:
            TypeError: not a tensor.
            ValueError: another shape.
        """
        require_features(features=features)
        exact = features.detach().double()
        return cls(exact.sum(dim=0), exact.T @ exact, len(exact))

    @classmethod
    def stream(cls, batches: Iterable[Float[Tensor, "_ features"]]) -> FeatureMoments:
        """Sum batches of (batch, features) features one after another.

        Raises:
            TypeError: a batch that is not a tensor, such as a pair with labels.
            ValueError: there are no batches, or one of another shape.
        """
        moments: FeatureMoments | None = None
        for batch in batches:
            moments = cls.of(batch) if moments is None else moments + cls.of(batch)
        if moments is None:
            raise ValueError("there are no features to sum; give at least one batch")
        return moments

    def __add__(self, other: FeatureMoments) -> FeatureMoments:
        if self.features != other.features:
            raise ValueError(f"cannot merge moments of {self.features} and {other.features} features")
        return FeatureMoments(self.total + other.total, self.outer + other.outer, self.count + other.count)

    @property
    def features(self) -> int:
        """Number of features."""
        return len(self.total)

    @property
    def mean(self) -> Float64[Tensor, " features"]:
        """(features,) mean."""
        return self.total / self.count

    @property
    def covariance(self) -> Float64[Tensor, "features features"]:
        """(features, features) unbiased covariance.

        Raises:
            ValueError: fewer than 2 samples.
        """
        if self.count < 2:
            raise ValueError(f"a covariance of {self.count} samples does not exist; give at least 2")
        return (self.outer - self.count * torch.outer(self.mean, self.mean)) / (self.count - 1)


def frechet_distance(samples: FeatureMoments, reference: FeatureMoments) -> float:
    """Squared 2-Wasserstein distance between the Gaussians that have the two sets' moments.

        ‖m₁ - m₂‖² + tr(C₁ + C₂ - 2 (C₁^½ C₂ C₁^½)^½),    tr(C₁^½ C₂ C₁^½)^½ = ‖C₁^½ C₂^½‖_*

    Args:
        samples: moments of the samples' features.
        reference: moments of the reference's features, from the same net.

    Returns:
        The distance, in squared units of the features.

    Raises:
        TypeError: something else than moments.
        ValueError: different numbers of features, or fewer than 2 samples.

    Warns:
        UserWarning: fewer than 2,048 samples on a side.

    Source:
        Heusel et al. 2017, "GANs trained by a two time-scale update rule", equation 6.

    Example:
        >>> import torch
        >>> x = torch.randn(4096, 2)
        >>> round(frechet_distance(FeatureMoments.of(x), FeatureMoments.of(x + 3.0)), 3)
        18.0
    """
    for name, moments in (("samples", samples), ("reference", reference)):
        if not isinstance(moments, FeatureMoments):
            raise TypeError(f"{name} is a {type(moments).__name__}; give its moments: FeatureMoments.of(features)")
    if samples.features != reference.features:
        raise ValueError(
            f"the samples have {samples.features} features and the reference {reference.features}; "
            "take both from the same feature net"
        )
    few = min(samples.count, reference.count)
    if few < FEW_SAMPLES:
        warnings.warn(
            f"a Fréchet distance of n = {few} samples in F = {samples.features} features comes out too high: take "
            f"{FEW_SAMPLES:,} or more, or compare values of equal n only",
            stacklevel=2,
        )
    means = (samples.mean - reference.mean).square().sum()
    spread = samples.covariance.trace() + reference.covariance.trace()
    # Singular values keep full precision where eigenvalues of the product C₁C₂, near 0, would lose half of it.
    cross = torch.linalg.svdvals(_root(samples.covariance).T @ _root(reference.covariance)).sum()
    return max(0.0, float(means + spread - 2 * cross))


def _root(covariance: Tensor) -> Tensor:
    """R with R Rᵀ = covariance; eigenvalues that rounding left below 0 count as 0."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp_min(0).sqrt()
