"""How far apart two clouds of features are: maximum mean discrepancy, and the distance of characteristic functions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.densities.distances import squared_distances

RealFeatures = Float[Tensor, "real features"]
FakeFeatures = Float[Tensor, "fake features"]


def require_bandwidths(bandwidths: Sequence[float]) -> None:
    """Refuse a mixture of no kernels, or of some that are none.

    Raises:
        ValueError: no bandwidths, or one that is not positive and finite.
    """
    if not bandwidths or not all(0 < bandwidth < float("inf") for bandwidth in bandwidths):
        raise ValueError(f"bandwidths are {list(bandwidths)}; give at least one, all positive and finite")


def mmd2(real: RealFeatures, fake: FakeFeatures, bandwidths: Sequence[float]) -> Float[Tensor, ""]:
    """Unbiased squared maximum mean discrepancy with a mixture of Gaussian kernels.

        k(a, b) = mean over bandwidths of exp(-‖a - b‖² / bandwidth²),    E k(r, r') + E k(f, f') - 2 E k(r, f)

    Its mean is 0 for equal distributions, at any number of samples; single values may be negative.

    Args:
        real: (real, features), at least 2.
        fake: (fake, features), at least 2.
        bandwidths: of the kernels, in the features' units; √2 times a Gaussian's standard deviation.

    Returns:
        A scalar.

    Raises:
        ValueError: fewer than 2 samples of either, no bandwidths, one that is not positive, or features of different
            lengths.

    Source:
        Gretton et al., A kernel two-sample test, JMLR 2012, eq. 3; the mixture of Li et al., MMD GAN, NeurIPS 2017.

    Example:
        >>> import torch
        >>> from wasserflow.training.feature_distances import mmd2
        >>> zeros, ones = torch.zeros(5, 1), torch.ones(5, 1)
        >>> round(mmd2(zeros, ones, [1.0]).item(), 4)  # 2 - 2 / e
        1.2642
    """
    for name, features in (("real", real), ("fake", fake)):
        if len(features) < 2:
            raise ValueError(f"{name} has {len(features)} samples; the unbiased estimate needs at least 2")
    require_bandwidths(bandwidths)
    n, m = len(real), len(fake)
    squared = squared_distances(torch.cat([real, fake]), torch.cat([real, fake]))
    kernel = torch.stack([(-squared / bandwidth**2).exp() for bandwidth in bandwidths]).mean(0)
    # A sample's kernel with itself is 1.
    among_real = (kernel[:n, :n].sum() - kernel[:n, :n].trace()) / (n * (n - 1))
    among_fake = (kernel[n:, n:].sum() - kernel[n:, n:].trace()) / (m * (m - 1))
    return among_real + among_fake - 2 * kernel[:n, n:].mean()


def cf_distance(
    real: RealFeatures, fake: FakeFeatures, frequencies: Float[Tensor, "frequencies features"]
) -> Float[Tensor, ""]:
    """Mean squared difference of the empirical characteristic functions.

        φ(t) = E exp(i t·x),    mean over frequencies of |φ_real(t) - φ_fake(t)|²

    Args:
        real: (real, features), at least 1.
        fake: (fake, features), at least 1.
        frequencies: (frequencies, features) the points t, in the inverse of the features' units.

    Returns:
        A scalar between 0 and 4.

    Raises:
        ValueError: no samples or no frequencies.

    Source:
        Ansari, Scarlett & Soh, A characteristic function approach to deep implicit generative modeling, CVPR 2020,
        eq. 4 and 6.

    Example:
        >>> import math, torch
        >>> from wasserflow.training.feature_distances import cf_distance
        >>> zeros, ones = torch.zeros(5, 1), torch.ones(5, 1)
        >>> round(cf_distance(zeros, ones, torch.tensor([[math.pi]])).item(), 4)  # |1 - exp(iπ)|²
        4.0
    """
    for name, rows in (("real", real), ("fake", fake), ("frequencies", frequencies)):
        if not len(rows):
            raise ValueError(f"{name} has shape {tuple(rows.shape)}: it is empty; give at least one row")
    angles = [features @ frequencies.T for features in (real, fake)]
    cosines, sines = (
        (angles[0].cos().mean(0) - angles[1].cos().mean(0)),
        angles[0].sin().mean(0) - angles[1].sin().mean(0),
    )
    return (cosines.square() + sines.square()).mean()


class CharacteristicDistance(nn.Module):
    """The root of `cf_distance` at random normal frequencies, whose scale for each feature is learnt.

    Args:
        features: length of a feature vector.
        frequencies: how many are drawn at every call.
        scale: root mean squared length of a frequency at the beginning, in the inverse of the features' units.

    Raises:
        ValueError: frequencies below 1, or a scale that is not positive.

    Source:
        Ansari, Scarlett & Soh, CVPR 2020, section 4.1 (the optimised weighting of OCF-GAN).

    Example:
        >>> import torch
        >>> from wasserflow.training.feature_distances import CharacteristicDistance
        >>> distance = CharacteristicDistance(features=2)
        >>> x = torch.randn(100, 2)
        >>> bool(distance(x, x + 1, torch.Generator()) > distance(x, x + 0.1, torch.Generator()))
        True
    """

    def __init__(self, features: int, frequencies: int = 64, scale: float = 1.0) -> None:
        super().__init__()
        if frequencies < 1:
            raise ValueError(f"frequencies is {frequencies}; draw at least 1")
        if not 0 < scale < float("inf"):
            raise ValueError(f"scale is {scale}; it must be positive and finite")
        self.frequencies = frequencies
        self.log_scale = nn.Parameter(torch.full((features,), scale / features**0.5).log())

    def forward(self, real: RealFeatures, fake: FakeFeatures, stream: torch.Generator) -> Float[Tensor, ""]:
        """Return the distance at frequencies from a random stream on the CPU."""
        normal = torch.randn(self.frequencies, len(self.log_scale), generator=stream).to(self.log_scale)
        # The root has no slope at 0, where both clouds are the same.
        return cf_distance(real, fake, normal * self.log_scale.exp()).clamp(min=1e-12).sqrt()
