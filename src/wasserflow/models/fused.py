"""Frozen layers in a row as one operation: one pass forward, and one backward in the input alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_aten: Any = torch.ops.aten
_onednn: Any = torch.ops.mkldnn
_KERNELS = ("_linear_pointwise", "_reorder_linear_weight", "_convolution_pointwise", "_convolution_transpose_pointwise")
# Numbers that a linear layer makes: for fewer, a rectifier of its own costs less than oneDNN's call.
_LEAST_OUTPUTS = 2**16


@dataclass(frozen=True)
class Rectifier:
    """y -> max(y, slope · y), with a slope of 0 or more.

    Args:
        slope: below 0; 0 for ReLU.

    Example:
        >>> import torch
        >>> from wasserflow.models.fused import Rectifier
        >>> Rectifier(0.5)(torch.tensor([-1.0, 1.0]))
        tensor([-0.5000,  1.0000])
    """

    slope: float

    def __call__(self, y: Tensor) -> Tensor:
        """Apply it by torch's differentiable operation."""
        return functional.leaky_relu(y, self.slope) if self.slope else functional.relu(y)

    def within(self, y: Tensor) -> Tensor:
        """Apply it in place."""
        return functional.leaky_relu_(y, self.slope) if self.slope else functional.relu_(y)

    @property
    def kernel(self) -> tuple[str, list[float], str]:
        """What oneDNN calls it, where a product or a convolution applies it on the way."""
        return ("leaky_relu", [self.slope], "") if self.slope else ("relu", [], "")

    def back(self, gradient: Tensor, y: Tensor, out: Tensor) -> Tensor:
        """Pass the gradient where y > 0, and `slope` of it elsewhere."""
        if self.slope:
            return _aten.leaky_relu_backward.grad_input(gradient, y, self.slope, True, grad_input=out)
        return _aten.threshold_backward.grad_input(gradient, y, 0, grad_input=out)


@dataclass(frozen=True)
class Tanh:
    """y -> tanh(y).

    Example:
        >>> import torch
        >>> from wasserflow.models.fused import Tanh
        >>> Tanh()(torch.zeros(1))
        tensor([0.])
    """

    def __call__(self, y: Tensor) -> Tensor:
        """Apply it by torch's differentiable operation."""
        return y.tanh()

    def within(self, y: Tensor) -> Tensor:
        """Apply it in place."""
        return y.tanh_()

    def back(self, gradient: Tensor, y: Tensor, out: Tensor) -> Tensor:
        """The gradient times 1 - y²."""
        return _aten.tanh_backward.grad_input(gradient, y, grad_input=out)


Activation = Rectifier | Tanh


@dataclass(frozen=True, eq=False)
class LinearLink:
    """activation(W x + b).

    Args:
        weight: (outputs, inputs), W.
        bias: (outputs,), b, or None.
        activation: None for none.

    Example:
        >>> import torch
        >>> from wasserflow.models.fused import LinearLink, Rectifier
        >>> link = LinearLink(-torch.eye(2), None, Rectifier(0.0))
        >>> bool((link.run(torch.ones(3, 2)) == link(torch.ones(3, 2))).all())
        True
    """

    weight: Float[Tensor, "outputs inputs"]
    bias: Float[Tensor, " outputs"] | None
    activation: Activation | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Apply it by torch's differentiable operations."""
        y = functional.linear(x, self.weight, self.bias)
        return y if self.activation is None else self.activation(y)

    @cached_property
    def _packed(self) -> Tensor:
        """The weight as oneDNN's product reads it."""
        return _onednn._reorder_linear_weight(self.weight)

    def run(self, x: Tensor) -> Tensor:
        """Apply it, the rectifier within the product."""
        if isinstance(self.activation, Rectifier) and x.shape[0] * self.weight.shape[0] >= _LEAST_OUTPUTS:
            return _onednn._linear_pointwise(x, self._packed, self.bias, *self.activation.kernel)
        y = functional.linear(x, self.weight, self.bias)
        return y if self.activation is None else self.activation.within(y)

    def back(self, gradient: Tensor, x: Tensor) -> Tensor:
        """The gradient times W."""
        return gradient @ self.weight


@dataclass(frozen=True, eq=False)
class ConvolutionLink:
    """activation(a 2-D convolution, transposed or not), on images that lie channels-last.

    Args:
        layer: an `nn.Conv2d` or `nn.ConvTranspose2d` that pads with zeros, by numbers.
        activation: None for none.

    Example:
        >>> import torch
        >>> from wasserflow.models.fused import ConvolutionLink, Tanh
        >>> link, x = ConvolutionLink(torch.nn.Conv2d(3, 4, 3), Tanh()), torch.ones(2, 3, 8, 8)
        >>> bool(torch.allclose(link.run(x), link(x), atol=1e-6))
        True
    """

    layer: nn.Conv2d | nn.ConvTranspose2d
    activation: Activation | None = None

    @property
    def weight(self) -> Tensor:
        """Of the convolution."""
        return self.layer.weight

    def __call__(self, x: Tensor) -> Tensor:
        """Apply it by torch's differentiable operations."""
        y = self.layer(x)
        return y if self.activation is None else self.activation(y)

    def run(self, x: Tensor) -> Tensor:
        """Apply it, the rectifier within the convolution."""
        layer = self.layer
        if isinstance(self.activation, Rectifier):
            x = x.contiguous(memory_format=torch.channels_last)
            rest: Any = (layer.stride, layer.dilation, layer.groups, *self.activation.kernel)
            if isinstance(layer, nn.Conv2d):
                return _onednn._convolution_pointwise(x, layer.weight, layer.bias, layer.padding, *rest)
            sizes = (layer.padding, layer.output_padding)
            return _onednn._convolution_transpose_pointwise(x, layer.weight, layer.bias, *sizes, *rest)
        y = layer(x)
        return y if self.activation is None else self.activation.within(y)

    def back(self, gradient: Tensor, x: Tensor) -> Tensor:
        """The convolution the other way."""
        layer = self.layer
        geometry = (layer.stride, layer.padding, layer.dilation, layer.transposed, layer.output_padding, layer.groups)
        return _aten.convolution_backward(gradient, x, layer.weight, None, *geometry, [True, False, False])[0]


@dataclass(frozen=True, eq=False)
class ReshapeLink:
    """Another shape of the same numbers.

    Args:
        layer: an `nn.Flatten` or `nn.Unflatten`.

    Example:
        >>> import torch
        >>> from wasserflow.models.fused import ReshapeLink
        >>> ReshapeLink(torch.nn.Flatten()).run(torch.ones(2, 3, 4)).shape
        torch.Size([2, 12])
    """

    layer: nn.Module
    activation: None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Reshape (batch, ...)."""
        return self.layer(x)

    def run(self, x: Tensor) -> Tensor:
        """Reshape (batch, ...)."""
        return self.layer(x)

    def back(self, gradient: Tensor, x: Tensor) -> Tensor:
        """The gradient in the shape of x."""
        return gradient.reshape(x.shape)


Link = LinearLink | ConvolutionLink | ReshapeLink


class Chain:
    """Layers in a row as one operation of torch's graph, on a CPU that has oneDNN; one after another elsewhere.

    A rectifier is applied where the layer's output lies, and to the gradient where that lies, without memory of its
    own. The gradient is that of the input alone: weights and biases are constants.

    Args:
        links: the layers.

    Example:
        >>> import torch
        >>> from wasserflow.models.fused import Chain, LinearLink, Rectifier
        >>> chain = Chain([LinearLink(torch.eye(2), None, Rectifier(0.0)), LinearLink(torch.ones(1, 2), None)])
        >>> chain(torch.tensor([[3.0, -4.0]]))
        tensor([[3.]])
    """

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = tuple(links)
        weights = [link.weight for link in self.links if isinstance(link, (LinearLink, ConvolutionLink))]
        self._plain = not all(weight.device.type == "cpu" and weight.dtype == torch.float32 for weight in weights)
        self._dimensions = 4 if isinstance(self.links[0], ConvolutionLink) else 2

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *result"]:
        """Apply the layers."""
        if self._plain or x.ndim != self._dimensions or not _has_kernels(x):
            return self.plain(x)
        if torch.is_grad_enabled() and x.requires_grad:
            return _Chained.apply(gradient_laid_as(x), self)
        for link in self.links:
            x = link.run(x)
        return x

    def plain(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *result"]:
        """Apply the layers by torch's differentiable operations, one after another."""
        for link in self.links:
            x = link(x)
        return x


class _Chained(torch.autograd.Function):
    """A chain and its derivative in the input, which needs no memory beyond one gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, chain: Chain) -> Tensor:
        values = [x]
        for link in chain.links:
            values.append(link.run(values[-1]))
        ctx.chain, last = chain, chain.links[-1].activation
        # What comes after may work in place, where torch's own layers would not need what they returned.
        ctx.save_for_backward(*(values[:-1] if last is None else values))
        return values[-1].clone() if isinstance(last, Rectifier) and last.slope else values[-1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        values, chain = (*ctx.saved_tensors, None), ctx.chain
        if torch.is_grad_enabled():
            # A gradient of this gradient was asked for, which what is in place has none of.
            x = values[0]
            return torch.autograd.grad(chain.plain(x), x, gradient, create_graph=True)[0], None
        ours = False  # the gradient that comes in may be someone's
        for link, x, y in reversed(list(zip(chain.links, values, values[1:], strict=False))):
            if link.activation is not None:
                gradient = link.activation.back(gradient, y, gradient if ours else torch.empty_like(y))
            gradient = link.back(gradient, x)
            ours = ours or not isinstance(link, ReshapeLink)
        return gradient, None


def gradient_laid_as(x: Tensor) -> Tensor:
    """The same numbers, whose gradient comes back in their own memory layout: channels-last convolutions return theirs.

    Of a batch of one, torch's instance norm takes the wrong numbers from a gradient that lies otherwise than its input.
    """
    if x.ndim != 4 or not x.is_contiguous() or not (x.requires_grad and torch.is_grad_enabled()):
        return x
    same = x.view_as(x)
    same.register_hook(lambda gradient: gradient.contiguous())
    return same


def is_transformed() -> bool:
    """Whether torch traces, compiles or transforms (`torch.func`, dual numbers), which know its own operations only."""
    # Private names, as torch has no public ones; without them one must assume so.
    functional = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)
    dual = getattr(torch.autograd.forward_ad, "_current_level", 0) >= 0
    return torch.jit.is_tracing() or torch.compiler.is_compiling() or functional() or dual


def _has_kernels(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.numel() > 0
        and _are_kernels_there()
        and not torch.is_autocast_enabled("cpu")
        and not is_transformed()
    )


@cache
def _are_kernels_there() -> bool:
    return torch.backends.mkldnn.is_available() and all(hasattr(_onednn, name) for name in _KERNELS)
