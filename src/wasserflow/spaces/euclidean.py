"""All of R^d."""

from __future__ import annotations

from dataclasses import dataclass

from wasserflow.spaces.space import Particles


@dataclass(frozen=True)
class Euclidean:
    """R^d without a prior: nothing is projected. The space of data-space flows unless another is named.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.spaces.Euclidean().project(torch.ones(1, 2))
        tensor([[1., 1.]])
    """

    def project(self, x: Particles) -> Particles:
        """Return (batch, *event) particles as they are."""
        return x

    def tangent(self, x: Particles, velocity: Particles) -> Particles:
        """Return a (batch, *event) velocity as it is."""
        return velocity
