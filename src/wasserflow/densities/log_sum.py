"""The logarithm of a weighted sum of Gaussian kernels, in memory linear in the number of references."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from wasserflow.densities.distances import squared_distances

ROWS, COLUMNS = 1024, 1024  # a block of references with 4,096 features is 16 MB in single precision
FLOOR = 1e-2


def kernel_log_sum(
    x: Float[Tensor, "batch dim"],
    references: Float[Tensor, "draws n dim"],
    weights: Float[Tensor, " n"],
    bandwidth: float,
    own: Int64[Tensor, " batch"] | None = None,
) -> Float[Tensor, " batch"]:
    """log Σ_j w_j k(x, y_j) / draws with k(a, b) = exp(-‖a - b‖² / bandwidth²), with a gradient in x alone.

    The sum streams over blocks of references with a running maximum, and so does the gradient, which is
    -2 (x - Σ_j p_j y_j) / bandwidth² with p_j the share of reference j: nothing of size batch x n is kept.

    Weights may be negative, and so may their sum be. Where it is less than 0.01 of Σ |w| k it is mostly cancellation;
    the logarithm is then that of 0.01 Σ |w| k, whose gradient is finite and points to the references from anywhere.

    Args:
        x: (batch, dim) points.
        references: (draws, n, dim) y, several draws of each for a mollified kernel.
        weights: (n,) w.
        bandwidth: length in the units of x.
        own: (batch,) the reference that each point leaves out; -1 for none.

    Returns:
        (batch,) logarithms; -inf where every reference is left out.

    Example:
        >>> import torch
        >>> kernel_log_sum(torch.zeros(1, 1), torch.tensor([[[1.0], [1.0]]]), torch.ones(2), bandwidth=1.0)
        tensor([-0.3069])
    """
    own = torch.full((len(x),), -1, device=x.device) if own is None else own
    result: Tensor = _KernelLogSum.apply(x, references.detach(), weights.detach(), bandwidth, own)
    return result


class _KernelLogSum(torch.autograd.Function):
    """Sums the gradient in the forward pass, so that the backward pass recomputes no kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, references: Tensor, weights: Tensor, bandwidth: float, own: Tensor) -> Tensor:
        with_mean = ctx.needs_input_grad[0]
        parts = [
            _log_sum(rows, references, weights, bandwidth, own_rows, with_mean)
            for rows, own_rows in zip(x.split(ROWS), own.split(ROWS), strict=True)
        ]
        if with_mean:
            ctx.save_for_backward((torch.cat([mean for _, mean in parts]) - x) * (2 / bandwidth**2))
        return torch.cat([value for value, _ in parts])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return upstream[:, None] * gradient, None, None, None, None


def _log_sum(
    x: Tensor, references: Tensor, weights: Tensor, bandwidth: float, own: Tensor, with_mean: bool
) -> tuple[Tensor, Tensor]:
    """The logarithms for some points and the means of the references as seen from them."""
    top, absolute, signed, total = _stream(x, references, weights, bandwidth, own, with_mean)
    value = torch.maximum(signed, FLOOR * absolute).log() + top
    invalid = (signed < FLOOR * absolute).squeeze(1)
    mean = total / torch.where(signed == 0, 1, signed)
    if with_mean and bool(invalid.any()):
        _, _, sums, totals = _stream(x[invalid], references, weights.abs(), bandwidth, own[invalid], with_mean)
        mean[invalid] = totals / sums
    return value.squeeze(1) - torch.log(value.new_tensor(len(references))), mean


def _stream(
    x: Tensor, references: Tensor, weights: Tensor, bandwidth: float, own: Tensor, with_mean: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A running maximum m, and Σ |w| k, Σ w k and Σ w k y in units of e^m."""
    log_weights, negative = weights.abs().log(), weights < 0
    any_negative = bool(negative.any())
    top, absolute = x.new_full((len(x), 1), torch.finfo(x.dtype).min), x.new_zeros(len(x), 1)
    signed, total = absolute, torch.zeros_like(x)
    for draw in references:
        for start in range(0, len(draw), COLUMNS):
            block = slice(start, start + COLUMNS)
            y = draw[block]
            logits = squared_distances(x, y).mul_(-1 / bandwidth**2).add_(log_weights[block])
            here = ((own >= start) & (own < start + len(y))).nonzero().flatten()
            logits[here, own[here] - start] = -torch.inf
            higher = torch.maximum(top, logits.amax(dim=1, keepdim=True))
            kernels, shrink = logits.sub_(higher).exp_(), (top - higher).exp_()
            absolute = absolute * shrink + kernels.sum(dim=1, keepdim=True)
            if any_negative:
                kernels[:, negative[block]] *= -1
            signed = signed * shrink + kernels.sum(dim=1, keepdim=True)
            if with_mean:
                total = total.mul_(shrink).addmm_(kernels, y)
            top = higher
    return top, absolute, signed, total
