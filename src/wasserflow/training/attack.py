"""Perturb images within a small distance so that a classifier is most wrong about them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from wasserflow.data.images import to_float


def projected_gradient_attack(
    network: nn.Module,
    x: Float[Tensor, "batch *event"],
    labels: Int64[Tensor, " batch"],
    radius: float,
    steps: int = 2,
    stream: torch.Generator | None = None,
) -> Float[Tensor, "batch *event"]:
    """Climb the cross-entropy inside an L2 ball around each image, from a random point of the ball.

    δ <- Π(δ + (1.5 radius / steps) g/‖g‖), with Π the projection on ‖δ‖ <= radius; x + δ is kept on [-1, 1].

    Args:
        network: maps (batch, *event) to logits (batch, classes); its mode is kept, its parameters' `.grad` untouched.
        x: images on [-1, 1].
        labels: their classes.
        radius: of the ball, in units of the range [-1, 1] (twice those of [0, 1]), over all pixels of an image.
        steps: gradient evaluations.
        stream: draws the starting points; without one the attack starts at the images.

    Returns:
        The perturbed images.

    Source:
        Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018, eq. 2.1 and section 2.

    Example:
        >>> import torch
        >>> from wasserflow.training.attack import projected_gradient_attack
        >>> moved = projected_gradient_attack(torch.nn.Identity(), torch.zeros(1, 2), torch.tensor([0]), radius=0.5)
        >>> bool(moved[0, 0] < 0 < moved[0, 1]), round(moved.norm().item(), 4)
        (True, 0.5)
    """
    delta = torch.zeros_like(x)
    if stream is not None:
        start = torch.randn(x.shape, generator=stream).to(x)
        shares = torch.rand(len(x), *[1] * (x.ndim - 1), generator=stream).to(x)
        delta = (x + radius * shares * start / _norms(start)).clamp(-1, 1) - x
    for _ in range(steps):
        moved = (x + delta).detach().requires_grad_()
        with torch.enable_grad():
            loss = cross_entropy(network(moved).float(), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
        delta = delta + 1.5 * radius / steps * gradient / _norms(gradient).clamp_min(1e-12)
        delta = delta * (radius / _norms(delta).clamp_min(1e-12)).clamp_max(1.0)
        delta = (x + delta).clamp(-1, 1) - x
    return (x + delta).detach()


def robust_accuracy(
    network: nn.Module,
    images: UInt8[Tensor, "n channels height width"],
    labels: Int64[Tensor, " n"],
    radius: float,
    steps: int = 10,
    batch_size: int = 500,
) -> float:
    """Measure how often a classifier is right about images perturbed by `projected_gradient_attack`.

    Args:
        network: in evaluation mode; maps images on [-1, 1] to logits.
        images: unperturbed.
        labels: their classes.
        radius: of the attack; 0 gives the ordinary accuracy.
        steps: of the attack.
        batch_size: images in a batch; it changes nothing but the memory.

    Returns:
        The share of right answers, from 0 to 1.
    """
    right = 0
    for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        moved = projected_gradient_attack(network, to_float(x), y, radius, steps)
        with torch.no_grad():
            right += int((network(moved).argmax(dim=1) == y).sum())
    return right / len(labels)


def _norms(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))
