"""What a space and a prior can do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from wasserflow.seeds import Noise, Seed, sample_seeds

Particles = Float[Tensor, "batch *event"]
Energies = Float[Tensor, " batch"]


@runtime_checkable
class Space(Protocol):
    """A set that particles stay in."""

    def project(self, x: Particles) -> Particles:
        """Bring particles back to the space after a step."""

    def tangent(self, x: Particles, velocity: Particles) -> Particles:
        """Keep what a velocity at x has along the space."""


@runtime_checkable
class Source(Protocol):
    """Something to sample from: a prior, a law fitted to data, a data set, a generator."""

    def sample(
        self, n: int, seed: Seed = 0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Particles:
        """Draw n particles, each from a stream of its own."""


@runtime_checkable
class PriorSpace(Space, Protocol):
    """A space with a density to sample from."""

    def sample(
        self, n: int, seed: Seed = 0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Particles:
        """Draw n particles, each from a stream of its own."""

    def energy(self, x: Particles) -> Energies:
        """-log p(x), up to an additive constant; infinite outside the support."""


def event_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    """One sample's shape as a tuple of positive ints.

    Raises:
        ValueError: a size below 1.
    """
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
            raise ValueError(f"shape {shape!r} has a size {size!r}; every size must be an int of at least 1")
    return tuple(map(int, sizes))


def require_event(x: Shaped[Tensor, "batch *event"], shape: int | Sequence[int] | None, space: object) -> None:
    """Refuse particles of another shape than a space has samples of; None is any.

    Raises:
        ValueError: another shape.
    """
    if shape is not None and tuple(x.shape[1:]) != event_shape(shape):
        raise ValueError(f"the particles are {tuple(x.shape)} and the prior is {space}; give them one shape")


def blank(
    n: int, shape: tuple[int, ...], device: torch.device | str | None, dtype: torch.dtype | None
) -> Float[Tensor, "n *event"]:
    """Room for n samples.

    Raises:
        ValueError: n below 0, or a dtype that is not floating point.
    """
    if n < 0:
        raise ValueError(f"n is {n}; ask for 0 samples or more")
    room = torch.empty(n, *shape, device=device, dtype=dtype)
    if not room.is_floating_point():
        raise ValueError(f"dtype is {dtype}; particles move, so ask for a floating-point dtype")
    return room


def noise_like(room: Tensor, seed: Seed) -> Noise:
    """The random numbers that fill it: those of step -1, which no flow takes."""
    return Noise(sample_seeds(seed, len(room)).to(room.device), step=-1)


def flat(x: Shaped[Tensor, "batch *event"]) -> Shaped[Tensor, "batch size"]:
    """Everything but the batch in one axis, also of an event without axes and of an empty batch."""
    return x.reshape(len(x), math.prod(x.shape[1:]))


def sum_event(x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
    """Sum over everything but the batch."""
    return flat(x).sum(dim=1)
