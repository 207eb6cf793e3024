"""Multilayer perceptrons for the 2-D laboratory: generators and critics of points."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import nn

from wasserflow.checks import require_counts


def _layers(inputs: int, outputs: int, width: int, layers: int, activation: Callable[[], nn.Module]) -> list[nn.Module]:
    sizes = [inputs] + [width] * layers
    hidden = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    last = nn.Linear(width, outputs)
    for linear in (*hidden, last):
        nn.init.zeros_(linear.bias)
    for linear in hidden:
        # torch's default shrinks a signal about threefold a layer, and the pair then hardly learns.
        nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu")
    nn.init.xavier_uniform_(last.weight)
    return [module for linear in hidden for module in (linear, activation())] + [last]


def _hidden(activation: Callable[[], nn.Module] | None, negative_slope: float) -> Callable[[], nn.Module]:
    if negative_slope == 0:
        return activation or nn.ReLU
    if activation is not None:
        raise ValueError(f"negative_slope is {negative_slope} beside an activation; give one of them")
    return lambda: nn.LeakyReLU(negative_slope)


def mlp_generator(
    latent: int = 2,
    event: int = 2,
    width: int = 512,
    layers: int = 3,
    activation: Callable[[], nn.Module] | None = None,
    negative_slope: float = 0.0,
) -> nn.Sequential:
    """Make a perceptron which maps latents (batch, latent) to points (batch, event).

    Args:
        latent: size of a latent.
        event: size of a point.
        width: units of a hidden layer.
        layers: number of hidden layers.
        activation: makes the module which follows each hidden layer, such as `nn.SiLU`; ReLU, leaky or not, if None.
        negative_slope: of a leaky ReLU, for which a card needs no function; 0 for ReLU.

    Returns:
        An `nn.Sequential` with fresh weights from torch's global random stream: He's for hidden layers, Glorot's for
        the last, biases 0.

    Raises:
        ValueError: a size or layers below 1, or a negative_slope beside an activation.

    Source:
        The toy networks of Gulrajani et al. (2017), used by Ansari et al. (2021), appendix D.1.

    Example:
        >>> import torch
        >>> from wasserflow.models.mlp import mlp_generator
        >>> mlp_generator(width=16)(torch.zeros(5, 2)).shape
        torch.Size([5, 2])
    """
    require_counts(latent=latent, event=event, width=width, layers=layers)
    return nn.Sequential(*_layers(latent, event, width, layers, _hidden(activation, negative_slope)))


def mlp_critic(
    event: int = 2,
    width: int = 512,
    layers: int = 3,
    activation: Callable[[], nn.Module] | None = None,
    negative_slope: float = 0.0,
) -> nn.Sequential:
    """Make a perceptron which maps points (batch, event) to scores (batch,), higher where more real.

    Args:
        event: size of a point.
        width: units of a hidden layer.
        layers: number of hidden layers.
        activation: makes the module which follows each hidden layer; ReLU, leaky or not, if None.
        negative_slope: of a leaky ReLU, for which a card needs no function; 0 for ReLU.

    Returns:
        An `nn.Sequential` with fresh weights from torch's global random stream: He's for hidden layers, Glorot's for
        the last, biases 0.

    Raises:
        ValueError: a size or layers below 1, or a negative_slope beside an activation.

    Source:
        The toy networks of Gulrajani et al. (2017), used by Ansari et al. (2021), appendix D.1.

    Example:
        >>> import torch
        >>> from wasserflow.models.mlp import mlp_critic
        >>> mlp_critic(width=16)(torch.zeros(5, 2)).shape
        torch.Size([5])
    """
    require_counts(event=event, width=width, layers=layers)
    return nn.Sequential(*_layers(event, 1, width, layers, _hidden(activation, negative_slope)), nn.Flatten(0))


def mlp_ratio(event: int = 2, width: int = 64, layers: int = 3) -> nn.Sequential:
    """Make a smooth perceptron which maps points (batch, event) to a density ratio or its logarithm (batch,).

    A flow follows its gradient: SiLU makes that continuous, where ReLU's jumps.

    Args:
        event: size of a point.
        width: units of a hidden layer.
        layers: number of hidden layers.

    Returns:
        An `nn.Sequential` with fresh weights from torch's global random stream.

    Raises:
        ValueError: event, width or layers below 1.

    Source:
        The size of the toy network of Heng, Ansari & Soh (arXiv 2303.03714), appendix B.

    Example:
        >>> import torch
        >>> from wasserflow.models.mlp import mlp_ratio
        >>> mlp_ratio(width=16)(torch.zeros(5, 2)).shape
        torch.Size([5])
    """
    return mlp_critic(event, width, layers, activation=nn.SiLU)
