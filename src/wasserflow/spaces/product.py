"""Several latents that move together."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_methods
from wasserflow.seeds import Noise, Seed, sample_seeds
from wasserflow.spaces.space import Energies, Particles, PriorSpace, flat

Flat = Float[Tensor, "batch total"]


class Product:
    """A product of priors, its particles one flat tensor (batch, total), so that every integrator can move them.

    Args:
        **parts: named priors, each with a shape.

    Raises:
        TypeError: a part that is no prior.
        ValueError: no parts are given.

    Example:
        >>> import wasserflow as wf
        >>> space = wf.spaces.Product(w=wf.spaces.Normal(8), style=wf.spaces.Box(-1, 1, 2))
        >>> x = space.sample(3, seed=0)
        >>> x.shape, space.split(x)["style"].shape
        (torch.Size([3, 10]), torch.Size([3, 2]))
    """

    def __init__(self, **parts: PriorSpace) -> None:
        if not parts:
            raise ValueError("Product() has no parts; give named priors, e.g. Product(w=Normal(512), style=Normal(64))")
        for name, part in parts.items():
            require_methods(name, part, ["sample", "project", "energy"], "a prior such as wf.spaces.Normal(8)")
        self.parts = parts
        self._shapes = {name: tuple(part.sample(1).shape[1:]) for name, part in parts.items()}

    def __repr__(self) -> str:
        return f"Product({', '.join(f'{name}={part!r}' for name, part in self.parts.items())})"

    def split(self, x: Flat) -> dict[str, Particles]:
        """Name the parts of (batch, total) particles, each (batch, *shape of the part).

        Raises:
            ValueError: total is not the sum of the parts' sizes.
        """
        sizes = [math.prod(shape) for shape in self._shapes.values()]
        if x.shape[1] != sum(sizes):
            raise ValueError(f"particles have {x.shape[1]} coordinates; {self!r} has {sum(sizes)}")
        pieces = x.split(sizes, dim=1)
        return {
            name: piece.reshape(len(x), *shape)
            for piece, (name, shape) in zip(pieces, self._shapes.items(), strict=True)
        }

    def join(self, parts: Mapping[str, Particles]) -> Flat:
        """Lay named parts side by side: the inverse of `split`.

        Raises:
            ValueError: the names differ from the space's.
        """
        if set(parts) != set(self.parts):
            raise ValueError(f"parts are named {sorted(parts)}; {self!r} needs {sorted(self.parts)}")
        return torch.cat([flat(parts[name]) for name in self.parts], dim=1)

    def sample(
        self, n: int, seed: Seed = 0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Flat:
        """Draw n samples (n, total); sample i depends on its own seed only, and no part repeats another's numbers."""
        seeds = sample_seeds(seed, n)
        drawn = {}
        for index, (name, part) in enumerate(self.parts.items()):
            drawn[name] = part.sample(n, Noise(seeds, step=-1).integers(stream=index), device, dtype)
        return self.join(drawn)

    def project(self, x: Flat) -> Flat:
        """Project every part to its own space."""
        return self.join({name: self.parts[name].project(part) for name, part in self.split(x).items()})

    def tangent(self, x: Flat, velocity: Flat) -> Flat:
        """Take every part's velocity to its own tangent space."""
        along = self.split(velocity)
        return self.join({name: self.parts[name].tangent(part, along[name]) for name, part in self.split(x).items()})

    def energy(self, x: Flat) -> Energies:
        """Sum the parts' energies: they are independent."""
        return torch.stack([self.parts[name].energy(part) for name, part in self.split(x).items()]).sum(dim=0)
