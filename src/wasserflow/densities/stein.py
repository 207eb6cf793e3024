"""Stein's estimate of a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wasserflow.densities.bandwidths import Bandwidth, bandwidth_of
from wasserflow.densities.density import require_references
from wasserflow.densities.distances import squared_distances
from wasserflow.densities.kernel_ridge import require_ridge
from wasserflow.densities.ridge_solve import cholesky_solve, kernel_matrix

_ROWS, _LIMIT = 1024, 10_000


@dataclass(frozen=True)
class SteinScore:
    """∇ log q at the references, S = -(K + ridge I)⁻¹ B with B_j = Σ_k ∇_{x_k} k(x_j, x_k), and between them.

    Elsewhere it is the function of the kernel's space that this solves for,
    s(x) = -(Σ_k ∇_{x_k} k(x, x_k) + Σ_k k(x, x_k) S_k) / ridge, which takes the values S at the references and vanishes
    far from them. It estimates a gradient and no density: see `SteinField` for how it enters an energy.

    Args:
        ridge: η > 0.
        bandwidth: as `KernelDensity`'s.

    Raises:
        ValueError: a ridge that is not positive, or more than 10,000 references.

    Source: Li & Turner 2018 (arXiv 1705.07107), eq. 7; out of sample: Zhou, Shi & Zhu 2020 (arXiv 2005.10099).

    Example:
        >>> import torch, wasserflow as wf
        >>> x = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
        >>> point = torch.tensor([[1.0]], requires_grad=True)
        >>> torch.autograd.grad(wf.SteinScore(ridge=1.0).fit(x)(point), point)[0].round()
        tensor([[-1.]])
    """

    ridge: float = 0.1
    bandwidth: Bandwidth = None
    mollifier: ClassVar[float] = 0.0
    draws: ClassVar[int] = 1

    def __post_init__(self) -> None:
        require_ridge(self.ridge)

    def fit(self, features: Float[Tensor, "n dim"], shifted: Float[Tensor, "draws n dim"] | None = None) -> SteinField:
        """Estimate the score of what (n, dim) reference features were drawn from; it has no mollified form."""
        require_references(features)
        if shifted is not None:
            raise ValueError("SteinScore has no mollified kernel; leave shifted out, or use KernelRidge")
        if len(features) > _LIMIT:
            raise ValueError(f"SteinScore solves for at most {_LIMIT} references, not {len(features)}; give fewer")
        bandwidth = bandwidth_of(self.bandwidth, features)
        pull = torch.cat([_pull(rows, features, bandwidth)[0] for rows in features.split(_ROWS)]).double()
        scores = cholesky_solve(lambda: kernel_matrix([(features, features)], bandwidth), -pull, self.ridge)
        return SteinField(features, scores.to(features.dtype), bandwidth, self.ridge)


@dataclass(frozen=True, eq=False)
class SteinField:
    """A score as if it were a log-density: its gradient is the score, and its value 0, for no density is known.

    Integrators that compare energies (MALA) cannot use it.

    Args:
        references: (n, dim) features.
        scores: (n, dim) scores at the references.
        bandwidth: length in feature space.
        ridge: η.

    Example:
        >>> import torch, wasserflow as wf
        >>> field = wf.SteinScore(bandwidth=1.0).fit(torch.tensor([[-1.0], [1.0]]))
        >>> field(torch.tensor([[0.5]])), bool(field.score(torch.tensor([[1.0]])) < 0)
        (tensor([0.]), True)
    """

    references: Float[Tensor, "n dim"]
    scores: Float[Tensor, "n dim"]
    bandwidth: float
    ridge: float

    def __call__(
        self, features: Float[Tensor, "batch dim"], own: Int64[Tensor, " batch"] | None = None
    ) -> Float[Tensor, " batch"]:
        """Zeros with the score for their gradient; the score at a reference is estimated with that reference in."""
        return (self.score(features.detach()) * (features - features.detach())).sum(dim=1)

    def score(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """Estimate ∇ log q at (batch, dim) features."""
        parts = []
        for rows in features.split(_ROWS):
            pull, kernels = _pull(rows, self.references, self.bandwidth)
            parts.append(pull.addmm_(kernels, self.scores).div_(-self.ridge))
        return torch.cat(parts)


def _pull(x: Tensor, references: Tensor, bandwidth: float) -> tuple[Tensor, Tensor]:
    """Σ_k ∇_{x_k} k(x, x_k) = 2 Σ_k (x - x_k) k(x, x_k) / bandwidth², and the kernels."""
    kernels = squared_distances(x, references).mul_(-1 / bandwidth**2).exp_()
    # In place, so that the caller's autocast leaves its digits alone.
    pull = (x * kernels.sum(dim=1, keepdim=True)).addmm_(kernels, references, alpha=-1)
    return pull.mul_(2 / bandwidth**2), kernels
