"""Kernel density estimation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wasserflow.densities.bandwidths import Bandwidth, bandwidth_of
from wasserflow.densities.density import require_references
from wasserflow.densities.kernel_sum import KernelSum
from wasserflow.densities.mollifier import require_mollifier


@dataclass(frozen=True)
class KernelDensity:
    """log q(x) ≈ log (1/n) Σ_j exp(-‖φ(x) - φ(x_j)‖² / bandwidth²), up to the kernel's normalising constant.

    A point that leaves its own reference out is moved by the others alone: log of the sum over j ≠ i. The sum in the
    logarithm is then smaller, which matters most where references are sparse: with its own kernel in, an isolated
    particle would feel no others.

    Args:
        bandwidth: a length in feature space, a function from references (n, dim) to one, or None for
            sqrt(0.2 x the median squared distance).
        mollifier: standard deviation of the Gaussian shifts of the references in data space; 0 for none. A sequence
            gives one a step, the last one staying.
        draws: shifts of each reference.

    Raises:
        ValueError: a negative mollifier, no draws, or what `fit` is given cannot be used.

    Source: Zhou et al., theorem 5: the limit of a large ridge.

    Example:
        >>> import torch, wasserflow as wf
        >>> log_density = wf.KernelDensity(bandwidth=1.0).fit(torch.tensor([[0.0], [2.0]]))
        >>> log_density(torch.tensor([[1.0]]))
        tensor([-1.])
    """

    bandwidth: Bandwidth = None
    mollifier: float | Sequence[float] = 0.0
    draws: int = 4

    def __post_init__(self) -> None:
        require_mollifier(self.mollifier, self.draws)

    def fit(self, features: Float[Tensor, "n dim"], shifted: Float[Tensor, "draws n dim"] | None = None) -> KernelSum:
        """Estimate the log-density of the references.

        Args:
            features: (n, dim) features of the references.
            shifted: (draws, n, dim) features of shifted copies of them, for a mollified kernel.
        """
        require_references(features, shifted)
        bandwidth = bandwidth_of(self.bandwidth, features)
        references = features[None] if shifted is None else shifted
        return KernelSum(references, features.new_full((len(features),), 1 / len(features)), bandwidth)
