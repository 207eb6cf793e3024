"""The gradient of a potential in the particles, and nothing else."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.freezing import frozen, gradients_on, kinds_explained, require_same_result
from wasserflow.potentials.potential import Energy


def energy_and_gradient(
    potential: Energy, x: Float[Tensor, "batch *event"], modules: list[nn.Module]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch *event"]]:
    """Evaluate a potential and its gradient in x, and nothing else: parameters get no gradient.

    Args:
        potential: maps (batch, *event) to (batch,).
        x: (batch, *event) particles.
        modules: the modules inside the potential, frozen meanwhile.

    Returns:
        (batch,) energies and (batch, *event) gradients, both detached.

    Raises:
        ValueError: energies of the wrong shape or without a gradient, or a device or dtype that a module cannot take.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.potentials.energy_and_gradient(wf.GaussianPrior(), torch.tensor([[3.0, 4.0]]), [])
        (tensor([12.5000]), tensor([[3., 4.]]))
    """
    with gradients_on(), frozen(modules), kinds_explained(x, modules):
        # Inference tensors cannot be differentiated; their copies can.
        x = (x.clone() if x.is_inference() else x.detach()).requires_grad_()
        energy = potential(x)
        if not isinstance(energy, Tensor) or energy.shape != x.shape[:1]:
            got = tuple(energy.shape) if isinstance(energy, Tensor) else type(energy).__name__
            raise ValueError(f"the potential returned {got} for {len(x)} particles; it must return shape ({len(x)},)")
        require_same_result(x, potential, energy)
        ones = torch.ones_like(energy)
        gradient = torch.autograd.grad(energy, x, ones, allow_unused=True)[0] if energy.requires_grad else None
        if gradient is None:
            raise ValueError(
                "the potential's energy has no gradient in the particles; take `.detach()` and `no_grad()` out of it"
            )
    return energy.detach(), gradient
