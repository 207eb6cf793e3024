"""Spaces in which particles keep their norms to first order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wasserflow.spaces.euclidean import Euclidean
from wasserflow.spaces.normal import Normal
from wasserflow.spaces.product import Product
from wasserflow.spaces.space import Particles, Space, flat, require_event
from wasserflow.spaces.sphere import without_radial_part


@dataclass(frozen=True)
class NormShells(Euclidean):
    """R^d in which a velocity is tangent to the sphere that a particle is on; nothing is projected.

    DOT moves latents of a Gaussian prior so: their norm concentrates at the square root of d, and should stay near
    there. It does not stay exactly: Adam rescales the coordinates of the velocity afterwards.

    Args:
        shape: one sample's shape; any if None.

    Source: Tanaka 2019 (arXiv 1910.06832), section 3, whose normalisation by the square root of d is corrected here.

    Example:
        >>> import torch, wasserflow as wf
        >>> x, v = torch.tensor([[2.0, 0.0]]), torch.tensor([[5.0, 1.0]])
        >>> wf.spaces.NormShells().tangent(x, v)
        tensor([[0., 1.]])
    """

    shape: int | Sequence[int] | None = None

    def tangent(self, x: Particles, velocity: Particles) -> Particles:
        """Take the radial part out of a (batch, *event) velocity at x.

        Raises:
            ValueError: particles of another shape.
        """
        require_event(x, self.shape, self)
        return without_radial_part(flat(x), flat(velocity)).reshape(x.shape)


@dataclass(frozen=True, eq=False)
class _ProductOfShells:
    product: Product

    def project(self, x: Particles) -> Particles:
        return self.product.project(x)

    def tangent(self, x: Particles, velocity: Particles) -> Particles:
        kept = {name: norms_kept(part) for name, part in self.product.parts.items()}
        pieces, along = self.product.split(x), self.product.split(velocity)
        return self.product.join({name: kept[name].tangent(pieces[name], along[name]) for name in kept})


def norms_kept(space: Space) -> Space:
    """The space, with `NormShells` for each normal prior in it; a box or a sphere as it is.

    Example:
        >>> import torch, wasserflow as wf
        >>> from wasserflow.spaces import norms_kept
        >>> both = norms_kept(wf.spaces.Product(w=wf.spaces.Normal(2), style=wf.spaces.Box(-1, 1, 1)))
        >>> both.tangent(torch.tensor([[2.0, 0.0, 0.5]]), torch.tensor([[5.0, 1.0, 3.0]]))
        tensor([[0., 1., 3.]])
    """
    if isinstance(space, Normal):
        return NormShells(space.shape)
    return _ProductOfShells(space) if isinstance(space, Product) else space
