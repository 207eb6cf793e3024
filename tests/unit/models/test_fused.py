"""A fused layer computes what the two layers do, and has their derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from wasserflow.models.fused import LinearReLU


def both(slope: float, bias: bool = True, dtype: torch.dtype = torch.float32) -> tuple[nn.Sequential, LinearReLU]:
    linear = nn.Linear(5, 7, bias=bias, dtype=dtype)
    return nn.Sequential(linear, nn.LeakyReLU(slope)), LinearReLU(linear, slope)


def batch(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(20, 5, generator=torch.Generator().manual_seed(1), dtype=dtype)


def gradient(network: nn.Module, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(network(x).pow(3).sum(), x)[0]


@pytest.mark.parametrize("slope", [0.0, 0.2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradient_are_those_of_the_two_layers(slope: float, bias: bool, dtype: torch.dtype) -> None:
    layers, fused = both(slope, bias, dtype)
    x = batch(dtype)
    torch.testing.assert_close(fused(x), layers(x).detach())
    torch.testing.assert_close(gradient(fused, x), gradient(layers, x))


def test_the_second_derivative_is_that_of_the_two_layers() -> None:
    def curvature(network: nn.Module) -> Tensor:
        x = batch().requires_grad_()
        (first,) = torch.autograd.grad(network(x).pow(3).sum(), x, create_graph=True)
        return torch.autograd.grad(first.pow(2).sum(), x)[0]

    layers, fused = both(0.2)
    torch.testing.assert_close(curvature(fused), curvature(layers))
