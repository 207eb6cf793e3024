"""f-divergences, written as functions of the log-ratio.

Everything is a function of log_ratio = log p_data - log p_model = -log r, never of r itself: exponentials are kept out
wherever the mathematics allows, so that float32 critics with large outputs stay finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

Batch = Float[Tensor, " batch"]


@runtime_checkable
class FDivergence(Protocol):
    """An f-divergence D(p_model || p_data) = ∫ p_data f(p_model / p_data), with f convex and f(1) = 0."""

    def f(self, ratio: Batch) -> Batch:
        """The generator f(r) at r = p_model / p_data."""

    def first_variation(self, log_ratio: Batch) -> Batch:
        """f'(exp(-log_ratio)) up to an additive constant: the energy that the flow descends."""

    def weight(self, log_ratio: Batch) -> Batch:
        """w(d) = -d f'(exp(-d)) / dd: the velocity of the flow is w(d) ∇d."""


@runtime_checkable
class RealRatioDivergence(Protocol):
    """An f-divergence whose f' makes sense at every real number, so that a network may output the ratio itself.

    A network that outputs r directly is not held above 0, where logarithms and roots end.
    """

    def first_variation_of_ratio(self, ratio: Batch) -> Batch:
        """f'(r) up to an additive constant, also for r below 0."""


@dataclass(frozen=True)
class KL:
    """Kullback–Leibler divergence, f(r) = r log r; first variation -d, weight 1.

    Source: DGflow (arXiv 2012.00780), Table 7.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.KL().first_variation(torch.tensor([2.0]))
        tensor([-2.])
    """

    def f(self, ratio: Batch) -> Batch:
        """r log r."""
        return torch.xlogy(ratio, ratio)

    def first_variation(self, log_ratio: Batch) -> Batch:
        """-d, for (batch,) log-ratios d."""
        return -log_ratio

    def weight(self, log_ratio: Batch) -> Batch:
        """1."""
        return torch.ones_like(log_ratio)


@dataclass(frozen=True)
class ReverseKL:
    """Reverse Kullback–Leibler divergence, f(r) = -log r; first variation -exp(d), weight exp(d).

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.ReverseKL().first_variation(torch.tensor([0.0]))
        tensor([-1.])
    """

    def f(self, ratio: Batch) -> Batch:
        """-log r."""
        return -ratio.log()

    def first_variation(self, log_ratio: Batch) -> Batch:
        """-exp(d), for (batch,) log-ratios d."""
        return -log_ratio.exp()

    def weight(self, log_ratio: Batch) -> Batch:
        """exp(d)."""
        return log_ratio.exp()


@dataclass(frozen=True)
class JensenShannon:
    """Jensen–Shannon divergence, f(r) = r log r - (r + 1) log((r + 1) / 2); weight sigmoid(d).

    Samples that already look real (large d) feel the full gradient, hopeless ones none.

    Source: DGflow (arXiv 2012.00780), Table 7.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.JensenShannon().weight(torch.tensor([0.0]))
        tensor([0.5000])
    """

    def f(self, ratio: Batch) -> Batch:
        """r log r - (r + 1) log((r + 1) / 2)."""
        return torch.xlogy(ratio, ratio) - (ratio + 1) * ((ratio + 1) / 2).log()

    def first_variation(self, log_ratio: Batch) -> Batch:
        """-softplus(d) = logsigmoid(-d), for (batch,) log-ratios d."""
        return logsigmoid(-log_ratio)

    def weight(self, log_ratio: Batch) -> Batch:
        """sigmoid(d)."""
        return log_ratio.sigmoid()


@dataclass(frozen=True)
class LogD:
    """The logD divergence, f(r) = (r + 1) log(r + 1) - 2 log 2; weight sigmoid(-d).

    Samples that look fake feel the full gradient, those that already look real none: it stops by itself.

    Source: DGflow (arXiv 2012.00780), Table 7.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.LogD().weight(torch.tensor([0.0]))
        tensor([0.5000])
    """

    def f(self, ratio: Batch) -> Batch:
        """(r + 1) log(r + 1) - 2 log 2."""
        return (ratio + 1) * ratio.log1p() - 2 * math.log(2)

    def first_variation(self, log_ratio: Batch) -> Batch:
        """softplus(-d), for (batch,) log-ratios d."""
        return -logsigmoid(log_ratio)

    def weight(self, log_ratio: Batch) -> Batch:
        """sigmoid(-d)."""
        return (-log_ratio).sigmoid()


@dataclass(frozen=True)
class Pearson:
    """Pearson χ² divergence, f(r) = (r - 1)²; first variation 2 exp(-d), weight 2 exp(-d).

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.Pearson().weight(torch.tensor([0.0]))
        tensor([2.])
    """

    def f(self, ratio: Batch) -> Batch:
        """(r - 1)²."""
        return (ratio - 1).square()

    def first_variation(self, log_ratio: Batch) -> Batch:
        """2 exp(-d), for (batch,) log-ratios d."""
        return 2 * (-log_ratio).exp()

    def first_variation_of_ratio(self, ratio: Batch) -> Batch:
        """2 r, for (batch,) ratios r = p_model / p_data of either sign."""
        return 2 * ratio

    def weight(self, log_ratio: Batch) -> Batch:
        """2 exp(-d)."""
        return 2 * (-log_ratio).exp()


@dataclass(frozen=True)
class Hellinger:
    """Squared Hellinger distance, f(r) = (sqrt r - 1)²; first variation -exp(d/2), weight exp(d/2) / 2.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.Hellinger().weight(torch.tensor([0.0]))
        tensor([0.5000])
    """

    def f(self, ratio: Batch) -> Batch:
        """(sqrt r - 1)²."""
        return (ratio.sqrt() - 1).square()

    def first_variation(self, log_ratio: Batch) -> Batch:
        """-exp(d / 2), for (batch,) log-ratios d."""
        return -(log_ratio / 2).exp()

    def weight(self, log_ratio: Batch) -> Batch:
        """exp(d / 2) / 2."""
        return (log_ratio / 2).exp() / 2
