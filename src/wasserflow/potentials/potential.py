"""The algebra of potentials."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

from jaxtyping import Float
from torch import Tensor

from wasserflow.spaces.space import sum_event

Energy = Callable[[Tensor], Tensor]


class Potential(ABC):
    """An energy, lower is better: maps (batch, *event) particles to (batch,); potentials add and scale.

    Any callable of that kind is a potential; this class gives the ones of the library `+`, `-`, `*` and `/`.

    Example:
        >>> import torch, wasserflow as wf
        >>> potential = wf.GaussianPrior() + 0.5 * wf.Proximal(torch.zeros(2))
        >>> potential(torch.tensor([[3.0, 4.0]]))
        tensor([15.])
    """

    @abstractmethod
    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the energy of every particle."""

    def __add__(self, other: Energy) -> WeightedSum:
        if not callable(other):
            return NotImplemented
        return WeightedSum((*_terms(self), *_terms(other)))

    def __radd__(self, other: Energy) -> WeightedSum:
        # sum() starts from 0.
        if isinstance(other, Real) and other == 0:
            return WeightedSum(_terms(self))
        if not callable(other):
            return NotImplemented
        return WeightedSum((*_terms(other), *_terms(self)))

    def __mul__(self, factor: float | Tensor) -> WeightedSum:
        number = _number(factor)
        if number is None:
            return NotImplemented
        return WeightedSum(tuple((number * weight, term) for weight, term in _terms(self)))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float | Tensor) -> WeightedSum:
        number = _number(divisor)
        if number is None:
            return NotImplemented
        return self * (1 / number)

    def __neg__(self) -> WeightedSum:
        return self * -1.0

    def __sub__(self, other: Energy) -> WeightedSum:
        if not callable(other):
            return NotImplemented
        return WeightedSum((*_terms(self), *((-weight, term) for weight, term in _terms(other))))

    def __rsub__(self, other: Energy) -> WeightedSum:
        if not callable(other):
            return NotImplemented
        return WeightedSum((*_terms(other), *_terms(-self)))


@dataclass(frozen=True, eq=False)
class WeightedSum(Potential):
    """Σ weight · term, what `+` and `*` make; terms of weight 0 are left out, also where they are infinite.

    Args:
        terms: pairs of a number and a potential.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.potentials.WeightedSum(((2.0, wf.GaussianPrior()),))(torch.ones(1, 2))
        tensor([2.])
    """

    terms: tuple[tuple[float, Energy], ...]

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Sum the weighted energies."""
        total = sum_event(0 * x)  # has a gradient, also where no term is left
        for weight, term in self.terms:
            if weight != 0:
                total = total + weight * term(x)
        return total


def _number(factor: object) -> float | None:
    if isinstance(factor, Tensor) and factor.ndim == 0:
        factor = factor.item()
    return float(factor) if isinstance(factor, Real) else None


def _terms(potential: Energy) -> tuple[tuple[float, Energy], ...]:
    return potential.terms if isinstance(potential, WeightedSum) else ((1.0, potential),)
