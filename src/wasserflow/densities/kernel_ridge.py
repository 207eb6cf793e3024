"""Kernel ridge densities."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.densities.bandwidths import Bandwidth, bandwidth_of
from wasserflow.densities.density import require_references
from wasserflow.densities.kernel_sum import KernelSum
from wasserflow.densities.mollifier import require_mollifier
from wasserflow.densities.ridge_solve import cholesky_solve, half_shifted, kernel_matrix

_ROWS = 1024


@dataclass(frozen=True)
class KernelRidge:
    """log q(x) ≈ log Σ_j α_j k(φ(x), φ(x_j)) with α = (K + ridge I)⁻¹ 1, up to an additive constant.

    A large ridge gives kernel density estimation. A small one interpolates: the sum is close to 1 at every reference,
    so its logarithm is nearly flat there, and particles repel each other less. Past `exact_up_to` references the sum is
    restricted to `landmarks` evenly spaced ones (Nyström): α solves (K_mn K_nm + ridge K_mm) α = K_mn 1.

    Of a mollified kernel, K has half of the shift's variance on each side, which keeps it positive definite.

    A particle that leaves its own kernel out drops the term α_i k(x, x_i) of the sum fitted to all. This costs nothing
    and tends to leave-one-out kernel density as the ridge grows, as refitting α without it would.

    Args:
        ridge: η > 0.
        bandwidth: as `KernelDensity`'s.
        mollifier: as `KernelDensity`'s.
        draws: shifts of each reference.
        exact_up_to: references that are solved for exactly, at most 10,000: the matrix takes 8 n² bytes.
        landmarks: terms of the sum where there are more references than that.

    Raises:
        ValueError: a ridge that is not positive, a negative mollifier, no draws, or too many references to solve for.

    Source: Zhou et al., kernel ridge estimate and theorem 5.

    Example:
        >>> import torch, wasserflow as wf
        >>> log_density = wf.KernelRidge(ridge=1.0, bandwidth=1.0).fit(torch.tensor([[0.0], [100.0]]))
        >>> log_density(torch.tensor([[0.0]])).exp()
        tensor([0.5000])
    """

    ridge: float = 0.1
    bandwidth: Bandwidth = None
    mollifier: float | Sequence[float] = 0.0
    draws: int = 4
    exact_up_to: int = 10_000
    landmarks: int = 2_000

    def __post_init__(self) -> None:
        require_ridge(self.ridge)
        require_mollifier(self.mollifier, self.draws)
        for name, value in (("exact_up_to", self.exact_up_to), ("landmarks", self.landmarks)):
            if not 2 <= value <= 10_000:
                raise ValueError(f"{name} is {value}; it must be from 2 to 10,000: a matrix of that size is factorised")

    def fit(self, features: Float[Tensor, "n dim"], shifted: Float[Tensor, "draws n dim"] | None = None) -> KernelSum:
        """Estimate the log-density of the references.

        Args:
            features: (n, dim) features of the references.
            shifted: (draws, n, dim) features of shifted copies of them, for a mollified kernel.
        """
        require_references(features, shifted)
        bandwidth = bandwidth_of(self.bandwidth, features)
        if len(features) > self.exact_up_to:
            return self._nystroem(features, shifted, bandwidth)
        ones = features.new_ones(len(features), 1, dtype=torch.float64)
        alpha = cholesky_solve(lambda: _gram(features, shifted, bandwidth), ones, self.ridge)
        return KernelSum(features[None] if shifted is None else shifted, alpha.squeeze(1).to(features.dtype), bandwidth)

    def _nystroem(self, features: Tensor, shifted: Tensor | None, bandwidth: float) -> KernelSum:
        m = min(self.landmarks, len(features))
        chosen = torch.linspace(0, len(features) - 1, m, device=features.device).round().long()
        few, centres = features[chosen], None if shifted is None else shifted[:, chosen]
        right = features.new_zeros(m, 1, dtype=torch.float64)
        gram = self.ridge * _gram(few, centres, bandwidth)
        for start in range(0, len(features), _ROWS):
            rows = slice(start, start + _ROWS)
            some = _draws(features[rows], None if shifted is None else shifted[:, rows])
            block = kernel_matrix(zip(some, _draws(few, centres), strict=True), bandwidth)
            gram.addmm_(block.T, block)
            right += block.sum(dim=0)[:, None]
        # Close landmarks make this singular, whatever the ridge. With less on the diagonal the weights grow large and
        # of both signs, and cancel in the sum.
        alpha = cholesky_solve(gram.clone, right, ridge=1e-5 * float(gram.diagonal().mean()))
        terms = torch.full((len(features),), -1, device=features.device)
        terms[chosen] = torch.arange(m, device=features.device)
        references = few[None] if centres is None else centres
        return KernelSum(references, alpha.squeeze(1).to(features.dtype), bandwidth, terms)


def _draws(features: Tensor, shifted: Tensor | None) -> Iterator[Tensor]:
    """(n, dim) references of each draw, as the solve sees them."""
    return iter([features]) if shifted is None else (half_shifted(features, draw) for draw in shifted)


def _gram(features: Tensor, shifted: Tensor | None, bandwidth: float) -> Tensor:
    return kernel_matrix(((draw, draw) for draw in _draws(features, shifted)), bandwidth)


def require_ridge(ridge: float) -> None:
    """Refuse a ridge that is not positive and finite.

    Raises:
        ValueError: as above.
    """
    if not 0 < ridge < math.inf:
        raise ValueError(f"ridge is {ridge}; it must be positive and finite: 0.1 interpolates, 100 nearly averages")
