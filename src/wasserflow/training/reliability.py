"""How often a critic is right when it is this sure."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from sklearn.calibration import calibration_curve
from torch import Tensor, nn

from wasserflow.ratios import log_ratio_of
from wasserflow.rows import in_batches


@torch.no_grad()
def logits_of(critic: nn.Module, samples: Float[Tensor, "n *event"], batch_size: int = 500) -> Float[Tensor, " n"]:
    """Evaluate a critic without gradients, in batches, and bring the logits to the CPU."""
    logits = in_batches(partial(log_ratio_of, critic), samples, batch_size).cpu()
    return logits.to(torch.promote_types(logits.dtype, torch.float32))  # numpy has no bfloat16


def reliability_curve(
    critic: nn.Module, real: Float[Tensor, "n *event"], fake: Float[Tensor, "n *event"], bins: int = 15
) -> tuple[list[float], list[float]]:
    """Compare sigmoid(critic) with the share of real samples among those that have it.

    Args:
        critic: in evaluation mode; maps (batch, *event) to (batch,) or (batch, 1).
        real: held-out real samples.
        fake: as many generated samples.
        bins: of equal width on [0, 1]; empty ones are left out.

    Returns:
        The mean of sigmoid(critic) in each bin, and the share of real samples there; equal where the critic is
        calibrated. `assess_critic` gives their mean distance, the expected calibration error.

    Source:
        Guo et al., On calibration of modern neural networks, ICML 2017, section 2.

    Example:
        >>> import torch
        >>> from wasserflow.training.reliability import reliability_curve
        >>> reliability_curve(torch.nn.Flatten(0), torch.zeros(3, 1), torch.zeros(3, 1))
        ([0.5], [0.5])
    """
    logits = [logits_of(critic, samples) for samples in (real, fake)]
    is_real = torch.cat([torch.ones(len(real)), torch.zeros(len(fake))])
    observed, predicted = calibration_curve(is_real.numpy(), torch.cat(logits).double().sigmoid().numpy(), n_bins=bins)
    return predicted.tolist(), observed.tolist()
