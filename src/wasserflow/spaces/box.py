"""The uniform prior on a box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from wasserflow.seeds import Seed
from wasserflow.spaces.space import Energies, Particles, blank, event_shape, flat, noise_like, require_event, sum_event


@dataclass(frozen=True)
class Box:
    """[low, high]^d with the uniform prior; particles that leave it are clamped to its faces.

    Args:
        low: lower bound of every coordinate.
        high: upper bound of every coordinate.
        shape: one sample's shape; needed by `sample` only.

    Raises:
        ValueError: low is not below high, or a size is below 1.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.spaces.Box(-1, 1).project(torch.tensor([[0.5, 3.0]]))
        tensor([[0.5000, 1.0000]])
    """

    low: float
    high: float
    shape: int | Sequence[int] | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"Box({self.low}, {self.high}) is empty; low must be below high")
        if self.shape is not None:
            object.__setattr__(self, "shape", event_shape(self.shape))

    def sample(
        self, n: int, seed: Seed = 0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Particles:
        """Draw n samples (n, *shape); sample i depends on its own seed only.

        Raises:
            ValueError: the box was made without a shape, or has no end.
        """
        if self.shape is None:
            raise ValueError(f"Box({self.low}, {self.high}) has no shape to sample; give Box(low, high, shape)")
        if not math.isfinite(self.high - self.low):
            raise ValueError(f"Box({self.low}, {self.high}) has no uniform law; give finite bounds to sample from it")
        room = blank(n, event_shape(self.shape), device, dtype)
        return noise_like(room, seed).uniform(room).mul_(self.high - self.low).add_(self.low)

    def project(self, x: Particles) -> Particles:
        """Clamp (batch, *event) particles to the box."""
        return x.clamp(self.low, self.high)

    def tangent(self, x: Particles, velocity: Particles) -> Particles:
        """Return the velocity as it is: inside a box every direction is allowed, and `project` sees to the faces."""
        return velocity

    def energy(self, x: Particles) -> Energies:
        """0 inside the box and infinity outside, for (batch, *event) particles."""
        require_event(x, self.shape, self)
        inside = flat((x >= self.low) & (x <= self.high)).all(dim=1)
        return 0 * sum_event(x) + torch.where(inside, 0.0, torch.inf).to(x.dtype)
