"""Losses that teach a network the ratio r = q / p of particles' density to the data's, and what its output means.

Each loss says how its network's output is to be read, so that a flow cannot read it otherwise: a least-squares network
outputs r itself, a logistic one log r = -d, with d = log p - log q the log-ratio of the rest of the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from wasserflow.divergences import FDivergence, RealRatioDivergence

Batch = Float[Tensor, " batch"]
OnData = Float[Tensor, " data"]
OnParticles = Float[Tensor, " particles"]
D_contra = TypeVar("D_contra", contravariant=True)


@runtime_checkable
class BregmanLoss(Protocol[D_contra]):
    """A Bregman divergence between the true ratio and a network's, for flows of the divergences D that fit it."""

    def __call__(self, on_data: OnData, on_particles: OnParticles) -> Float[Tensor, ""]:
        """The loss of a network's outputs on data and on particles; least at the true ratio."""

    def ratio(self, output: Batch) -> Batch:
        """r = q / p as the network has it."""

    def first_variation(self, divergence: D_contra, output: Batch) -> Batch:
        """f'(r) up to an additive constant, from the network's outputs."""

    def accept(self, divergence: D_contra) -> None:
        """Refuse a divergence whose flow the network's output cannot drive."""


@dataclass(frozen=True)
class LeastSquares:
    """Least-squares importance fitting: ½ E_p[r²] - E_q[r], for a network that outputs r itself.

    The output may be negative, so only divergences go with it whose f' makes sense there: `Pearson`.

    Source: FDRL (arXiv 2303.03714), eq. 18.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.least_squares(on_data=torch.tensor([1.0, 3.0]), on_particles=torch.tensor([2.0]))
        tensor(0.5000)
    """

    def __call__(self, on_data: OnData, on_particles: OnParticles) -> Float[Tensor, ""]:
        """½ mean(r²) on data - mean(r) on particles, for (data,) and (particles,) outputs r."""
        return on_data.square().mean() / 2 - on_particles.mean()

    def ratio(self, output: Batch) -> Batch:
        """The (batch,) outputs themselves."""
        return output

    def first_variation(self, divergence: RealRatioDivergence, output: Batch) -> Batch:
        """f'(r) of (batch,) outputs r, up to an additive constant."""
        self.accept(divergence)
        return divergence.first_variation_of_ratio(output)

    def accept(self, divergence: RealRatioDivergence) -> None:
        """Refuse divergences of the log-ratio.

        Raises:
            TypeError: f' is not defined for negative ratios.
        """
        if isinstance(divergence, type) or not isinstance(divergence, RealRatioDivergence):
            raise TypeError(
                f"{_name(divergence)} does not go with least_squares: its network outputs the ratio q / p, which may "
                "be negative and has no logarithm then; use Pearson with least_squares, or "
                f"{_name(divergence)} with logistic, whose network outputs log(q / p)"
            )


class _OutputsLogRatio:
    """What losses share whose network outputs log r."""

    def ratio(self, output: Batch) -> Batch:
        """exp(output), for (batch,) outputs log r."""
        return output.exp()

    def first_variation(self, divergence: FDivergence, output: Batch) -> Batch:
        """f'(exp(output)) of (batch,) outputs log r, up to an additive constant and without the exponential."""
        self.accept(divergence)
        return divergence.first_variation(-output)

    def accept(self, divergence: FDivergence) -> None:
        """Refuse what is not an f-divergence.

        Raises:
            TypeError: it has no first variation in the log-ratio.
        """
        if isinstance(divergence, type) or not isinstance(divergence, FDivergence):
            raise TypeError(f"{_name(divergence)} is no f-divergence; give KL(), JensenShannon() or LogD()")


@dataclass(frozen=True)
class Logistic(_OutputsLogRatio):
    """Logistic regression: -E_p[logsigmoid(-log r)] - E_q[logsigmoid(log r)], for a network that outputs log r.

    Source: FDRL (arXiv 2303.03714), eq. 21.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.logistic(on_data=torch.zeros(2), on_particles=torch.zeros(3))
        tensor(1.3863)
    """

    def __call__(self, on_data: OnData, on_particles: OnParticles) -> Float[Tensor, ""]:
        """mean(softplus(log r)) on data + mean(softplus(-log r)) on particles, for (data,), (particles,) outputs."""
        return softplus(on_data).mean() + softplus(-on_particles).mean()


@dataclass(frozen=True)
class KullbackLeibler(_OutputsLogRatio):
    """Unnormalised Kullback–Leibler fitting: E_p[r] - E_q[log r], for a network that outputs log r.

    It exponentiates: outputs above 88 on data are infinite in float32.

    Source: Sugiyama et al. 2012, Density-ratio matching under the Bregman divergence, section 3.2.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.kl(on_data=torch.zeros(2), on_particles=torch.ones(3))
        tensor(0.)
    """

    def __call__(self, on_data: OnData, on_particles: OnParticles) -> Float[Tensor, ""]:
        """mean(exp(log r)) on data - mean(log r) on particles, for (data,) and (particles,) outputs log r."""
        return on_data.exp().mean() - on_particles.mean()


least_squares = LeastSquares()
logistic = Logistic()
kl = KullbackLeibler()


def _name(divergence: Any) -> str:
    return divergence.__name__ if isinstance(divergence, type) else type(divergence).__name__
