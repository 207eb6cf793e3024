"""Penalties on a critic's slope, which keep a GAN's training from running away."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from wasserflow.spaces.space import Particles


def slope_penalty(critic: Callable[[Tensor], Tensor], x: Float[Tensor, "batch *event"]) -> Float[Tensor, ""]:
    """Penalise the critic's slope at given samples: mean(‖∇ critic(x)‖²) / 2.

    Args:
        critic: maps (batch, *event) to (batch,) or (batch, 1).
        x: real samples for the penalty R1, generated ones for R2.

    Returns:
        The penalty, a scalar which can be differentiated by the critic's parameters.

    Source:
        Mescheder et al., Which training methods for GANs do actually converge?, ICML 2018, eq. 9 and 10.

    Example:
        >>> import torch
        >>> from wasserflow.training.penalties import slope_penalty
        >>> slope_three = torch.nn.Linear(1, 1)
        >>> _ = torch.nn.init.constant_(slope_three.weight, 3.0)
        >>> slope_penalty(slope_three, torch.zeros(4, 1)).item()
        4.5
    """
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(1).mean() / 2


def weighted_slopes(
    critic: Callable[[Tensor], Tensor], *weighted: tuple[float, Float[Tensor, "_ *event"]]
) -> Float[Tensor, ""]:
    """Sum slope penalties times their weights, in full precision whatever the networks run in.

    Args:
        critic: maps (batch, *event) to (batch,) or (batch, 1).
        weighted: the weight of a penalty, 0 for none, and the samples it is taken at.

    Returns:
        Σ weight · mean(‖∇ critic(x)‖²) / 2, a scalar which can be differentiated by the critic's parameters.

    Example:
        >>> import torch
        >>> from wasserflow.training.penalties import weighted_slopes
        >>> square = lambda x: x.square().sum(1)
        >>> weighted_slopes(square, (10.0, torch.ones(4, 1)), (1.0, torch.zeros(4, 1)), (0.0, torch.ones(4, 1))).item()
        20.0
    """
    _, x = weighted[0]
    # A second derivative needs full precision.
    with torch.autocast(x.device.type, enabled=False):
        return sum((weight * slope_penalty(critic, x) for weight, x in weighted if weight), x.new_zeros(()))


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Particles,
    fake: Particles,
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """Penalise slopes other than one on the segments between real and fake samples.

    Computes mean((‖∇ critic(e real + (1 - e) fake)‖ - 1)²), one uniform e a sample. Of a critic with a vector of
    outputs it takes the slope along one direction of that space a sample, uniform on the unit sphere: the sum of the
    outputs, which is sometimes taken, would leave their differences free.

    Args:
        critic: maps (batch, *event) to (batch,), (batch, 1) or (batch, outputs).
        real: (batch, *event) real samples.
        fake: (batch, *event) generated samples.
        generator: the random stream for e and the directions, on the CPU.

    Returns:
        The penalty, a scalar which can be differentiated by the critic's parameters.

    Source:
        Gulrajani et al. (2017), eq. 3.

    Example:
        >>> import torch
        >>> from wasserflow.training.penalties import gradient_penalty
        >>> slope_three = torch.nn.Linear(1, 1)
        >>> _ = torch.nn.init.constant_(slope_three.weight, 3.0)
        >>> gradient_penalty(slope_three, torch.zeros(4, 1), torch.ones(4, 1), torch.Generator()).item()
        4.0
    """
    weight = torch.rand(len(real), generator=generator).to(real).view(-1, *[1] * (real.ndim - 1))
    between = torch.lerp(fake, real, weight).requires_grad_()
    values = critic(between)
    if values.ndim > 1 and values.shape[1] > 1:
        values = values * normalize(torch.randn(values.shape, generator=generator)).to(values)
    (slope,) = torch.autograd.grad(values.sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
