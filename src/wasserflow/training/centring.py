"""Give a critic the constant that its training left open."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

_BATCH = 1_000


@torch.no_grad()
def centre(
    critic: nn.Module, real: Float[Tensor, "n *event"], generator: nn.Module, latents: Float[Tensor, "m *latent"]
) -> None:
    """Give the critic the constant that a logit has between equal classes: real and fake means add up to 0.

    The WGAN loss leaves the constant open and its training lets it drift, but Jensen–Shannon and logD read it.

    Args:
        critic: ends with a linear layer or a convolution, whose bias is changed in place.
        real: (n, *event) real samples.
        generator: maps latents to samples.
        latents: as many as real samples.

    Raises:
        ValueError: another number of latents than of real samples.

    Example:
        >>> import torch
        >>> from wasserflow.training.centring import centre
        >>> critic, real, fake = torch.nn.Linear(1, 1), torch.zeros(4, 1), torch.ones(4, 1)
        >>> centre(critic, real, torch.nn.Identity(), fake)
        >>> abs(critic(torch.cat([real, fake])).mean().item()) < 1e-6
        True
    """
    if len(real) != len(latents):
        raise ValueError(f"there are {len(real)} real samples and {len(latents)} latents; give as many of both")
    last = [module for module in critic.modules() if isinstance(module, (nn.Linear, nn.Conv2d))][-1]
    assert last.bias is not None
    fakes = (generator(part) for part in latents.split(_BATCH))
    pairs = zip(real.split(_BATCH), fakes, strict=True)
    last.bias.sub_(sum(_total(critic, x) + _total(critic, fake) for x, fake in pairs) / (2 * len(real)))


def _total(critic: nn.Module, x: Float[Tensor, "batch *event"]) -> Float64[Tensor, ""]:
    return critic(x).double().sum()
