"""A potential whose last energies can be read."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.potentials.potential import Energy, Potential


@dataclass(eq=False)
class Remembered(Potential):
    """The energy as it is, kept as it was last evaluated: a term of a sum that is wanted by itself.

    Args:
        potential: maps (batch, *event) to (batch,).

    Example:
        >>> import torch, wasserflow as wf
        >>> from wasserflow.potentials.remembered import Remembered
        >>> term = Remembered(wf.GaussianPrior())
        >>> (term + 3 * wf.GaussianPrior())(torch.ones(1, 4)), term.last
        (tensor([8.]), tensor([2.]))
    """

    potential: Energy
    last: Float[Tensor, " batch"] = field(default_factory=lambda: torch.empty(0), init=False)

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the energy of (batch, *event) particles, and keep it."""
        energy = self.potential(x)
        self.last = energy.detach()
        return energy
