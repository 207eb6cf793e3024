"""A log-density that is a weighted sum of kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wasserflow.densities.log_sum import kernel_log_sum

FLOOR = 1e-2


@dataclass(frozen=True, eq=False)
class KernelSum:
    """log Σ_j w_j k(x, y_j), k(a, b) = exp(-‖a - b‖² / bandwidth²), or the mean of that over several draws of the y_j.

    Weights may be negative, and so may their sum be. The logarithm is then that of max(Σ w k, 0.01 Σ |w| k): where the
    signed sum is less than a hundredth of its absolute one it is mostly cancellation, and the gradient is that of the
    absolute sum, which is finite and points to the references everywhere.

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
        positive = self._log_sum(features, own, self.weights > 0, self.weights)
        if bool((self.weights >= 0).all()):
            return positive
        negative = self._log_sum(features, own, self.weights < 0, -self.weights)
        signed = ((positive - negative) / 2).tanh()  # (P - N) / (P + N)
        return torch.logaddexp(positive, negative) + signed.clamp(min=FLOOR).log()

    def _log_sum(self, features: Tensor, own: Tensor | None, kept: Tensor, weights: Tensor) -> Tensor:
        log_weights = weights[kept].log() - math.log(len(self.references))
        if own is not None:
            # Its number among the references that are kept, or -1 where it is not one of them.
            own = torch.where((own >= 0) & kept[own], kept.cumsum(dim=0)[own] - 1, -1)
        whole = bool(kept.all())  # then nothing is copied
        draws = [
            kernel_log_sum(features, y if whole else y[kept], log_weights, self.bandwidth, own) for y in self.references
        ]
        return draws[0] if len(draws) == 1 else torch.stack(draws).logsumexp(dim=0)
