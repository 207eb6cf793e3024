"""A potential that is replaced while particles move."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wasserflow.potentials.potential import Energy, Potential


@dataclass(eq=False)
class Present(Potential):
    """The potential of the present step.

    Args:
        potential: maps (batch, *event) particles to (batch,); assign another between two steps.
        maker: what makes the others, so that the networks it calls on are found before the flow starts.

    Example:
        >>> import torch, wasserflow as wf
        >>> from wasserflow.potentials.present import Present
        >>> present = Present(wf.GaussianPrior())
        >>> present.potential = 2 * wf.GaussianPrior()
        >>> present(torch.ones(1, 2))
        tensor([2.])
    """

    potential: Energy
    maker: object = None

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the energy of every particle."""
        return self.potential(x)
