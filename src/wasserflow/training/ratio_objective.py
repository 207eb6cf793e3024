"""What one step of learning a ratio minimises, and what is watched of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.ratios import BregmanLoss, log_ratio_of
from wasserflow.training.penalties import weighted_slopes

Particles = Float[Tensor, "batch *event"]


def ratio_objective(
    network: nn.Module, loss: BregmanLoss[Any], data: Particles, particles: Particles, r1: float = 0.0, r2: float = 0.0
) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
    """Return a Bregman loss of a network between data and particles, with penalties on its slopes there.

    Args:
        network: maps (batch, *event) to what the loss reads, (batch,) or (batch, 1).
        loss: `wf.least_squares`, `wf.logistic` or `wf.kl`.
        data: (batch, *event) samples of p.
        particles: (batch, *event) samples of q.
        r1: weight of mean(‖∇‖²) / 2 at data.
        r2: the same at particles.

    Returns:
        What is minimised, and without gradients the `loss` alone and the means of r = q / p, `ratio_on_data` and
        `ratio_on_particles`.

    Example:
        >>> import torch, wasserflow as wf
        >>> from wasserflow.training.ratio_objective import ratio_objective
        >>> data, particles = torch.zeros(4, 1), torch.ones(4, 1)
        >>> _, watched = ratio_objective(torch.nn.Identity(), wf.logistic, data, particles)
        >>> round(watched["ratio_on_particles"].item(), 4)
        2.7183
    """
    on_data, on_particles = log_ratio_of(network, torch.cat([data, particles])).split([len(data), len(particles)])
    value = loss(on_data, on_particles)
    watched = {"loss": value.detach()}
    with torch.no_grad():
        watched["ratio_on_data"] = loss.ratio(on_data).mean()
        watched["ratio_on_particles"] = loss.ratio(on_particles).mean()
    return value + weighted_slopes(partial(log_ratio_of, network), (r1, data), (r2, particles)), watched
