"""A linear layer and its rectifier as one operation, for frozen networks."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class LinearReLU(nn.Module):
    """leaky_relu(W x + b), in one pass over the batch on a CPU that has oneDNN, and as two operations elsewhere.

    The gradient is that of the input alone: weights and bias are constants.

    Args:
        linear: the layer; its weight and bias are shared.
        slope: of the rectifier below 0; 0 for ReLU.

    Example:
        >>> import torch
        >>> from wasserflow.models.fused import LinearReLU
        >>> linear, x = torch.nn.Linear(2, 3), torch.ones(4, 2)
        >>> bool(torch.allclose(LinearReLU(linear)(x), linear(x).relu(), atol=1e-6))
        True
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear, slope: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weight", linear.weight.detach())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())
        self.slope = slope
        self.training = linear.training

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Apply the layer and the rectifier."""
        if _has_kernel(x, self.weight):
            return _Fused.apply(x, self.weight, self.bias, self.slope)
        return functional.leaky_relu(functional.linear(x, self.weight, self.bias), self.slope)


class _Fused(torch.autograd.Function):
    """The product and the rectifier, whose derivative can be read from the sign of its output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, slope: float) -> Tensor:
        output = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "leaky_relu", [slope], "")
        ctx.save_for_backward(output, weight)
        ctx.slope = slope
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        output, weight = ctx.saved_tensors
        if torch.is_grad_enabled():
            # A gradient of this gradient was asked for, which the kernels below have none of.
            return (gradient * torch.where(output > 0, 1.0, ctx.slope)) @ weight, None, None, None
        passed = torch.ops.aten.leaky_relu_backward(gradient, output, ctx.slope, True)
        return torch.ops.mkldnn._linear_pointwise(passed, weight.t(), None, "none", [], ""), None, None, None


def is_transformed() -> bool:
    """Whether torch traces, compiles or transforms (`torch.func.grad`), which know its own operations only."""
    # A private name, as torch has no public one; without it one must assume so.
    functional = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)
    return torch.jit.is_tracing() or torch.compiler.is_compiling() or functional()


def _has_kernel(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.dim() > 1
        and x.numel() > 0
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
        and not is_transformed()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
