"""Spheres: one of a fixed radius, or the one each particle is on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.seeds import Seed
from wasserflow.spaces.space import Energies, Particles, blank, event_shape, noise_like

Points = Float[Tensor, "batch dim"]


@dataclass(frozen=True)
class Sphere:
    """The sphere ‖x‖ = radius in R^dim with the uniform prior; steps are tangent and then pulled back to it.

    Args:
        dim: dimension of the surrounding space.
        radius: in the units of the latents; the square root of dim is where N(0, I_dim) concentrates.

    Raises:
        TypeError: dim that is not an int.
        ValueError: dim below 1, or a radius that is not positive and finite.

    Example:
        >>> import wasserflow as wf
        >>> x = wf.spaces.Sphere(512).sample(4, seed=0)
        >>> bool(((x.norm(dim=1) - 1).abs() < 1e-6).all())
        True
    """

    dim: int
    radius: float = 1.0

    def __post_init__(self) -> None:
        event_shape(self.dim)
        if not isinstance(self.dim, Integral):
            raise TypeError(f"dim is {self.dim!r}; give the dimension of the surrounding space, an int")
        if not 0 < self.radius < math.inf:
            raise ValueError(f"radius is {self.radius}; it must be positive and finite")

    def sample(
        self, n: int, seed: Seed = 0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Points:
        """Draw n points (n, dim); point i depends on its own seed only."""
        room = blank(n, (self.dim,), device, dtype)
        return self.project(noise_like(room, seed).normal(room))

    def project(self, x: Points) -> Points:
        """Scale (batch, dim) points to the radius.

        Raises:
            ValueError: particles of another shape.
        """
        self._require_points(x)
        return x * (self.radius / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(1e-12))

    def tangent(self, x: Points, velocity: Points) -> Points:
        """Take the radial part out of a (batch, dim) velocity at x.

        Raises:
            ValueError: particles of another shape.
        """
        self._require_points(x)
        return without_radial_part(x, velocity)

    def energy(self, x: Points) -> Energies:
        """0 for every (batch, dim) point: the prior is uniform."""
        return 0 * x.sum(dim=-1)

    def _require_points(self, x: Particles) -> None:
        if x.shape[1:] != (self.dim,):
            raise ValueError(
                f"particles have shape {tuple(x.shape)}, and Sphere({self.dim}) holds (batch, {self.dim}); "
                "give a sphere of their dimension"
            )


def without_radial_part(x: Points, vector: Points) -> Points:
    """v - x <x, v> / ‖x‖², for (batch, dim) positions x and vectors v."""
    squared_norm = x.square().sum(dim=-1, keepdim=True).clamp_min(1e-24)
    return vector - x * ((x * vector).sum(dim=-1, keepdim=True) / squared_norm)
