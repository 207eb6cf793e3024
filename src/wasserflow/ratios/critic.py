"""A critic's output, read as a log-ratio."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

LogRatio = Callable[[Tensor], Tensor]


def log_ratio_of(critic: LogRatio, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
    """Evaluate a critic as d(x) = log p_data(x) - log p_model(x), one number a sample.

    A discriminator's logit is such a log-ratio when it was trained with the logistic loss; for a WGAN critic see
    DGflow, appendix B.

    Args:
        critic: maps (batch, *event) to (batch,) or (batch, 1), or to a tuple or list that begins with such a tensor.
            One that ends in a sigmoid needs `wf.ratios.probability_log_ratio`.
        x: (batch, *event) samples.

    Returns:
        (batch,) log-ratios in nats; higher is more real.

    Raises:
        TypeError: the critic returns something that is not a tensor.
        ValueError: the critic returns another shape, numbers that are not floating point, or, where gradients are on,
            numbers without one.

    Source: DGflow (arXiv 2012.00780), section 3.1.

    Example:
        >>> import torch
        >>> from wasserflow.ratios import log_ratio_of
        >>> log_ratio_of(lambda x: x.sum(dim=1, keepdim=True), torch.ones(3, 2))
        tensor([2., 2., 2.])
    """
    values = critic(x.clone())  # networks may begin in place, and x is someone's
    if isinstance(values, (tuple, list)) and values:
        values = values[0]
    if not isinstance(values, Tensor):
        raise TypeError(f"the critic returned a {type(values).__name__}; it must return a tensor of shape ({len(x)},)")
    if values.shape not in {(len(x),), (len(x), 1)}:
        raise ValueError(
            f"the critic returned shape {tuple(values.shape)} for {len(x)} samples; "
            f"it must return ({len(x)},) or ({len(x)}, 1): one log-ratio a sample"
        )
    if not values.is_floating_point():
        raise ValueError(f"the critic returned {values.dtype}; it must return floating-point log-ratios")
    if torch.is_grad_enabled() and x.requires_grad and not values.requires_grad:
        raise ValueError(
            "the critic's output has no gradient in its samples; take `.detach()` and `no_grad()` out of it"
        )
    return values if values.ndim == 1 else values[:, 0]
