"""How far a kernel reaches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_counts
from wasserflow.densities.distances import squared_distances

Bandwidth = float | Callable[[Tensor], float] | None
"""A length in feature space, a function from the references (n, dim) to one, or None for `MedianBandwidth()`."""

_QUERIES = 500  # whose distances stand for all: a median of 10^5 pairs moves by a fraction of a percent


@dataclass(frozen=True)
class MedianBandwidth:
    """sqrt(factor x the median squared distance between references); of 500 evenly spaced ones where there are more.

    Args:
        factor: on the squared distance. The default suits densities that leave each particle's own kernel out;
            1 is the usual median heuristic.

    Raises:
        ValueError: a factor that is not positive.

    Example:
        >>> import torch
        >>> from wasserflow.densities import MedianBandwidth
        >>> MedianBandwidth(factor=1.0)(torch.tensor([[0.0], [3.0], [6.0]]))
        3.0
    """

    factor: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.factor < math.inf:
            raise ValueError(f"factor is {self.factor}; it must be positive and finite")

    def __call__(self, references: Float[Tensor, "n dim"]) -> float:
        """Measure the bandwidth of (n, dim) references, at least 2."""
        some = _evenly_spaced(references)
        rows, columns = torch.triu_indices(len(some), len(some), offset=1, device=some.device)
        return math.sqrt(self.factor * float(squared_distances(some, some)[rows, columns].median()))


@dataclass(frozen=True)
class NearestNeighbourBandwidth:
    """The median distance to the k-th nearest other reference; of 500 evenly spaced references where there are more.

    Args:
        k: which neighbour, at least 1.

    Raises:
        ValueError: k below 1, or, when called, not more than k references.

    Example:
        >>> import torch
        >>> from wasserflow.densities import NearestNeighbourBandwidth
        >>> NearestNeighbourBandwidth(k=1)(torch.tensor([[0.0], [1.0], [3.0], [4.0]]))
        1.0
    """

    k: int = 10

    def __post_init__(self) -> None:
        require_counts(k=self.k)

    def __call__(self, references: Float[Tensor, "n dim"]) -> float:
        """Measure the bandwidth of (n, dim) references."""
        if len(references) <= self.k:
            raise ValueError(f"{len(references)} references have no neighbour number {self.k}; take a smaller k")
        squared = squared_distances(_evenly_spaced(references), references)
        # The nearest of all is the reference itself.
        return math.sqrt(float(squared.kthvalue(self.k + 1, dim=1).values.median()))


def bandwidth_of(bandwidth: Bandwidth, references: Float[Tensor, "n dim"]) -> float:
    """Resolve a bandwidth for (n, dim) references.

    Raises:
        TypeError: neither a number nor a function that returns one.
        ValueError: it is zero, negative, NaN or infinite.
    """
    rule = MedianBandwidth() if bandwidth is None else bandwidth
    value = rule(references) if callable(rule) else rule
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"bandwidth is {value!r}; give a number, or a function from references (n, dim) to a number")
    if not 0 < float(value) < math.inf:
        why = f"measured on {len(references)} references, many of them equal" if callable(rule) else "as given"
        raise ValueError(f"bandwidth is {value} ({why}); it must be positive and finite: give bandwidth= a number")
    return float(value)


def _evenly_spaced(references: Tensor) -> Tensor:
    return references[torch.linspace(0, len(references) - 1, min(_QUERIES, len(references))).round().long()]
