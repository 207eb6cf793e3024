"""Multilayer perceptrons for the 2-D laboratory: generators and critics of points."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import nn


def _hidden(inputs: int, width: int, layers: int, activation: Callable[[], nn.Module]) -> list[nn.Module]:
    sizes = [inputs] + [width] * layers
    return [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), activation())]


def mlp_generator(
    latent: int = 2,
    event: int = 2,
    width: int = 512,
    layers: int = 3,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Make a perceptron which maps latents (batch, latent) to points (batch, event).

    Args:
        latent: size of a latent.
        event: size of a point.
        width: units of a hidden layer.
        layers: number of hidden layers.
        activation: makes the module which follows each hidden layer, such as `nn.ReLU` or `lambda: nn.LeakyReLU(0.2)`.

    Returns:
        An `nn.Sequential` with freshly drawn weights (torch's default, from torch's global random stream).

    Source:
        The toy networks of Gulrajani et al. (2017), used by Ansari et al. (2021), appendix D.1.

    Example:
        >>> import torch
        >>> from wasserflow.models.mlp import mlp_generator
        >>> mlp_generator(width=16)(torch.zeros(5, 2)).shape
        torch.Size([5, 2])
    """
    return nn.Sequential(*_hidden(latent, width, layers, activation), nn.Linear(width, event))


def mlp_critic(
    event: int = 2,
    width: int = 512,
    layers: int = 3,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Make a perceptron which maps points (batch, event) to scores (batch,), higher where more real.

    Args:
        event: size of a point.
        width: units of a hidden layer.
        layers: number of hidden layers.
        activation: makes the module which follows each hidden layer.

    Returns:
        An `nn.Sequential` with freshly drawn weights (torch's default, from torch's global random stream).

    Source:
        The toy networks of Gulrajani et al. (2017), used by Ansari et al. (2021), appendix D.1.

    Example:
        >>> import torch
        >>> from wasserflow.models.mlp import mlp_critic
        >>> mlp_critic(width=16)(torch.zeros(5, 2)).shape
        torch.Size([5])
    """
    return nn.Sequential(*_hidden(event, width, layers, activation), nn.Linear(width, 1), nn.Flatten(0))
