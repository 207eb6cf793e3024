"""All of R^d, some coordinates held where they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from wasserflow.spaces.space import Particles


@dataclass(frozen=True, eq=False)
class Held:
    """The particles that agree with an anchor in all coordinates but the free ones.

    Args:
        anchor: (batch, *event) values of the coordinates that are held.
        free: (*event), true where particles may move; or any shape that broadcasts to it.

    Raises:
        TypeError: a mask that is not boolean.

    Example:
        >>> import torch, wasserflow as wf
        >>> space = wf.spaces.Held(torch.zeros(1, 2), free=torch.tensor([True, False]))
        >>> wf.flow(torch.zeros(1, 2), lambda x: -x.sum(dim=1), wf.EulerMaruyama(0.5), steps=2, space=space).x
        tensor([[1., 0.]])
    """

    anchor: Particles
    free: Bool[Tensor, "*mask"]

    def __post_init__(self) -> None:
        if self.free.dtype != torch.bool:
            raise TypeError(f"free is {self.free.dtype}; give a boolean mask, true where particles may move")

    def project(self, x: Particles) -> Particles:
        """Put the held coordinates of (batch, *event) particles back to the anchor's."""
        return torch.where(self.free, x, self.anchor)

    def tangent(self, x: Particles, velocity: Particles) -> Particles:
        """Take the held coordinates out of a (batch, *event) velocity."""
        return torch.where(self.free, velocity, 0.0)
