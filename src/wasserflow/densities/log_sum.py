"""The logarithm of a weighted sum of Gaussian kernels, in memory linear in the number of references."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from wasserflow.densities.distances import squared_distances

ROWS, COLUMNS = 1024, 4096  # a block of kernel values is 16 MB in single precision


def kernel_log_sum(
    x: Float[Tensor, "batch dim"],
    references: Float[Tensor, "n dim"],
    log_weights: Float[Tensor, " n"],
    bandwidth: float,
    own: Int64[Tensor, " batch"] | None = None,
) -> Float[Tensor, " batch"]:
    """log Σ_j w_j exp(-‖x - y_j‖² / bandwidth²), with a gradient in x alone.

    The sum streams over blocks of references with a running maximum, and so does the gradient, which is
    -2 (x - Σ_j p_j y_j) / bandwidth² with p_j the share of reference j: nothing of size batch x n is kept.

    Args:
        x: (batch, dim) points.
        references: (n, dim) y.
        log_weights: (n,) log w.
        bandwidth: length in the units of x.
        own: (batch,) the reference that each point leaves out; -1 for none.

    Returns:
        (batch,) logarithms; -inf where every reference is left out.

    Example:
        >>> import torch
        >>> kernel_log_sum(torch.zeros(1, 1), torch.tensor([[1.0], [1.0]]), torch.zeros(2), bandwidth=1.0)
        tensor([-0.3069])
    """
    own = torch.full((len(x),), -1, device=x.device) if own is None else own
    result: Tensor = _KernelLogSum.apply(x, references.detach(), log_weights.detach(), bandwidth, own)
    return result


class _KernelLogSum(torch.autograd.Function):
    """Sums the gradient in the forward pass, so that the backward pass recomputes no kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, references: Tensor, log_weights: Tensor, bandwidth: float, own: Tensor) -> Tensor:
        wants_gradient = ctx.needs_input_grad[0]
        parts = [
            _stream(rows, references, log_weights, bandwidth, own_rows, wants_gradient)
            for rows, own_rows in zip(x.split(ROWS), own.split(ROWS), strict=True)
        ]
        if wants_gradient:
            mean = torch.cat([mean for _, mean in parts if mean is not None])
            ctx.save_for_backward((mean - x) * (2 / bandwidth**2))
        return torch.cat([value for value, _ in parts])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return upstream[:, None] * gradient, None, None, None, None


def _stream(
    x: Tensor, references: Tensor, log_weights: Tensor, bandwidth: float, own: Tensor, with_mean: bool
) -> tuple[Tensor, Tensor | None]:
    """The log-sums of some points and the means of the references as seen from them."""
    lowest, smallest = torch.finfo(x.dtype).min, torch.finfo(x.dtype).tiny
    top, total = x.new_full((len(x), 1), lowest), x.new_zeros(len(x), 1)
    mean = torch.zeros_like(x) if with_mean else None
    for start in range(0, len(references), COLUMNS):
        y = references[start : start + COLUMNS]
        logits = squared_distances(x, y).mul_(-1 / bandwidth**2).add_(log_weights[start : start + COLUMNS])
        here = ((own >= start) & (own < start + len(y))).nonzero().flatten()
        logits[here, own[here] - start] = -torch.inf
        higher = torch.maximum(top, logits.amax(dim=1, keepdim=True))
        kernels, shrink = logits.sub_(higher).exp_(), (top - higher).exp_()
        total = total * shrink + kernels.sum(dim=1, keepdim=True)
        mean = torch.addmm(mean * shrink, kernels, y) if mean is not None else None
        top = higher
    value = (total.log() + top).squeeze(1)
    return value, mean / total.clamp(min=smallest) if mean is not None else None
