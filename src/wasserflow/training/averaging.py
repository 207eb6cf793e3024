"""The exponential moving average of a network, and its batch-norm statistics."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of a network which follows it: average <- decay · average + (1 - decay) · network.

    Buffers are averaged too, so the running statistics of batch norms belong to about the same past as the weights;
    spectral norm's vectors likewise. Call `.update_parameters(network)` after every step; the copy is `.module`.

    Args:
        network: what is being trained.
        decay: weight of the past, at least 0 and below 1.

    Returns:
        The average, in evaluation mode, without gradients.

    Raises:
        ValueError: a decay outside [0, 1).

    Example:
        >>> import torch
        >>> from wasserflow.training.averaging import moving_average
        >>> network = torch.nn.Linear(1, 1)
        >>> average = moving_average(network, decay=0.9)
        >>> average.update_parameters(network)
        >>> bool(average.module.weight == network.weight)
        True
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay is {decay}; it must be at least 0 and below 1")
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    return average.eval().requires_grad_(False)


@torch.no_grad()
def reestimate_batch_norm(network: nn.Module, inputs: Callable[[int], Tensor], batches: int = 100) -> None:
    """Replace the running statistics of every batch norm by their mean over fresh batches, in place.

    Averaged weights have activations of their own; this measures them. Only batch norms are switched to training for
    the while, so that dropout and spectral norm stay still.

    Args:
        network: its running statistics are overwritten.
        inputs: `inputs(i)` returns the i-th batch of inputs.
        batches: how many batches to average over.

    Example:
        >>> import torch
        >>> from wasserflow.training.averaging import reestimate_batch_norm
        >>> norm = torch.nn.BatchNorm1d(1).eval()
        >>> reestimate_batch_norm(norm, lambda i: torch.full((2, 1), float(i)), batches=3)
        >>> norm.running_mean
        tensor([1.])
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    kept = [(norm, norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    try:
        for i in range(batches if norms else 0):
            network(inputs(i))
    finally:
        for norm, momentum, training in kept:
            norm.momentum = momentum
            norm.train(training)
