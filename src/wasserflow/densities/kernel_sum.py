"""A log-density that is a weighted sum of kernels."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from wasserflow.densities.log_sum import kernel_log_sum


@dataclass(frozen=True, eq=False)
class KernelSum:
    """log Σ_j w_j k(x, y_j), k(a, b) = exp(-‖a - b‖² / bandwidth²), or the mean of that over several draws of the y_j.

    See `kernel_log_sum` for sums that negative weights leave without a logarithm.

    Args:
        references: (draws, n, dim) features of the references; several draws for a mollified kernel.
        weights: (n,) w.
        bandwidth: length in feature space.
        terms: (total,) which term of the sum each reference is, -1 for none, where not every reference has one.

    Example:
        >>> import torch
        >>> from wasserflow.densities import KernelSum
        >>> density = KernelSum(torch.zeros(1, 2, 3), torch.tensor([0.5, 0.5]), bandwidth=1.0)
        >>> density(torch.ones(1, 3))
        tensor([-3.])
    """

    references: Float[Tensor, "draws n dim"]
    weights: Float[Tensor, " n"]
    bandwidth: float
    terms: Int64[Tensor, " total"] | None = None

    def __call__(
        self, features: Float[Tensor, "batch dim"], own: Int64[Tensor, " batch"] | None = None
    ) -> Float[Tensor, " batch"]:
        """Evaluate at (batch, dim) features, each leaving its own reference out if told which one that is.

        Args:
            features: where; the gradient is in these alone.
            own: (batch,) the reference that each of them is; its kernel is left out.
        """
        if own is not None and self.terms is not None:
            own = self.terms[own]
        return kernel_log_sum(features, self.references, self.weights, self.bandwidth, own)
