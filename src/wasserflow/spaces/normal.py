"""The standard normal prior of most generators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from wasserflow.seeds import Seed
from wasserflow.spaces.euclidean import Euclidean
from wasserflow.spaces.space import Energies, Particles, blank, event_shape, noise_like, require_event, sum_event


@dataclass(frozen=True)
class Normal(Euclidean):
    """R^d with the prior N(0, I).

    Args:
        shape: one sample's shape, an int or a sequence of ints.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> import wasserflow as wf
        >>> wf.spaces.Normal(128).sample(4, seed=0).shape
        torch.Size([4, 128])
    """

    shape: int | Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", event_shape(self.shape))

    def sample(
        self, n: int, seed: Seed = 0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Particles:
        """Draw n samples (n, *shape); sample i depends on its own seed only."""
        room = blank(n, event_shape(self.shape), device, dtype)
        return noise_like(room, seed).normal(room)

    def energy(self, x: Particles) -> Energies:
        """‖x‖² / 2, in nats up to a constant, for (batch, *event) particles."""
        require_event(x, self.shape, self)
        return gaussian_energy(x)


def gaussian_energy(x: Particles) -> Energies:
    """‖x‖² / 2, for (batch, *event) particles: -log N(x; 0, I) up to a constant."""
    return sum_event(x.square()) / 2
