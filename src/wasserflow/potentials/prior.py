"""The prior as a potential: keeps latents where the generator was trained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import listed, not_finite, require_particles
from wasserflow.potentials.potential import Potential
from wasserflow.spaces import PriorSpace
from wasserflow.spaces.normal import gaussian_energy
from wasserflow.spaces.space import sum_event


@dataclass(frozen=True)
class Prior(Potential):
    """-log p_Z(z) of a space's prior, up to a constant.

    Args:
        space: the prior.

    Raises:
        TypeError: the space has no density.

    Source: DDLS (Che et al. 2020, arXiv 2003.06060), eq. 6.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.Prior(wf.spaces.Normal(2))(torch.ones(1, 2))
        tensor([1.])
    """

    space: PriorSpace

    def __post_init__(self) -> None:
        if isinstance(self.space, type) or not callable(getattr(self.space, "energy", None)):
            raise TypeError(
                f"the prior is {self.space!r}, which has no density; give the law of the generator's latents, such as "
                "wf.spaces.Normal(128)"
            )

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the energy of (batch, *event) latents."""
        return self.space.energy(x)


def require_support(prior: PriorSpace, z: Float[Tensor, "batch *latent"]) -> None:
    """Refuse latents that the prior cannot have.

    Raises:
        ValueError: an infinite energy, or latents of another shape.

    Example:
        >>> import torch, wasserflow as wf
        >>> from wasserflow.potentials.prior import require_support
        >>> require_support(wf.spaces.Box(-1, 1, 2), torch.zeros(3, 2))
    """
    require_particles(z)
    if outside := not_finite(Prior(prior)(z)):
        raise ValueError(f"the latents of sample {listed(outside)} lie outside {prior!r}; sample them from it")


@dataclass(frozen=True)
class GaussianPrior(Potential):
    """‖z‖² / 2, the energy of the standard normal prior of any shape.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.GaussianPrior()(torch.ones(1, 4))
        tensor([2.])
    """

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the energy of (batch, *event) latents."""
        return gaussian_energy(x)


@dataclass(frozen=True)
class NormPrior(Potential):
    """‖z‖² / 2 - (d - 1) log ‖z‖, the energy of the norm that d standard normal numbers have.

    It asks nothing of the direction, and is least at ‖z‖ = sqrt(d - 1), where `GaussianPrior` would pull on to 0.

    Source: Samuel et al. 2023 (arXiv 2306.08687), section 4; ReNO (arXiv 2406.04312), section 3.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.potentials.NormPrior()(torch.ones(1, 4))
        tensor([-0.0794])
    """

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the energy of (batch, *event) latents, in float32 or finer.

        It is infinite at 0 where they have more than one number.
        """
        # The squares of long latents sum to more than float16 holds.
        squares = sum_event(x.to(torch.promote_types(x.dtype, torch.float32)).square())
        d = x.shape[1:].numel()
        return squares / 2 - (d - 1) / 2 * squares.log() if d > 1 else squares / 2
