"""A chain computes what its layers do, has their derivatives, and writes over nothing but its own memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from wasserflow.models.fused import (
    _LEAST_OUTPUTS,
    Activation,
    Chain,
    ConvolutionLink,
    LinearLink,
    Rectifier,
    ReshapeLink,
    Tanh,
)

ACTIVATIONS = [None, Rectifier(0.0), Rectifier(0.2), Tanh()]


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def frozen(layer: nn.Module) -> nn.Module:
    return layer.requires_grad_(False).eval()


def perceptron(last: Activation | None, width: int = 5, dtype: torch.dtype = torch.float32) -> Chain:
    sizes = [(width, 3), (width + 1, width), (4, width + 1)]
    weights = [drawn(*size, dtype=dtype) / size[1] ** 0.5 for size in sizes]
    biases = [drawn(size[0], dtype=dtype) for size in sizes[:2]]
    return Chain(
        [
            LinearLink(weights[0], biases[0], Rectifier(0.0)),
            LinearLink(weights[1], biases[1], Rectifier(0.3)),
            LinearLink(weights[2], None, last),
        ]
    )


def images(last: Activation | None) -> Chain:
    return Chain(
        [
            LinearLink(drawn(4 * 9, 3), None, Tanh()),
            ReshapeLink(nn.Unflatten(1, (4, 3, 3))),
            ConvolutionLink(frozen(nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2)), Rectifier(0.0)),
            ConvolutionLink(frozen(nn.Conv2d(6, 5, 3, 2, 1, dilation=1, bias=False)), Rectifier(0.1)),
            ReshapeLink(nn.Flatten()),
            LinearLink(drawn(4, 45) / 7, None, last),
        ]
    )


def value_and_gradient(network: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    value = network(x)
    return value.detach(), torch.autograd.grad(value.pow(3).sum(), x)[0]


@pytest.mark.parametrize("last", ACTIVATIONS)
@pytest.mark.parametrize("make", [perceptron, images, lambda last: perceptron(last, width=40)])
@pytest.mark.parametrize("batch", [1, 20, 2_000])
def test_value_and_gradient_are_those_of_the_layers(
    make: Callable[[Activation | None], Chain], last: Activation | None, batch: int
) -> None:
    chain, x = make(last), drawn(batch, 3)
    value, gradient = value_and_gradient(chain, x)
    theirs, their_gradient = value_and_gradient(chain.plain, x)
    torch.testing.assert_close(value, theirs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, their_gradient, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(chain(x), theirs, rtol=1e-4, atol=1e-5)


def test_one_operation_in_the_graph() -> None:
    value = perceptron(Tanh())(drawn(20, 3).requires_grad_())
    assert type(value.grad_fn).__name__ == "_ChainedBackward"
    assert "AccumulateGrad" in type(value.grad_fn.next_functions[0][0]).__name__


def test_float64_runs_layer_by_layer() -> None:
    chain, x = perceptron(None, dtype=torch.float64), drawn(20, 3, dtype=torch.float64)
    torch.testing.assert_close(value_and_gradient(chain, x), value_and_gradient(chain.plain, x), rtol=0, atol=0)


def test_inputs_of_more_dimensions_run_layer_by_layer() -> None:
    chain, x = perceptron(Tanh()), drawn(4, 5, 3)
    torch.testing.assert_close(chain(x), chain.plain(x), rtol=0, atol=0)


@pytest.mark.parametrize("make", [perceptron, images])
def test_the_second_derivative_is_that_of_the_layers(make: Callable[[Activation | None], Chain]) -> None:
    def curvature(network: Callable[[Tensor], Tensor]) -> Tensor:
        x = drawn(20, 3).requires_grad_()
        (first,) = torch.autograd.grad(network(x).pow(3).sum(), x, create_graph=True)
        return torch.autograd.grad(first.pow(2).sum(), x)[0]

    chain = make(Tanh())
    torch.testing.assert_close(curvature(chain), curvature(chain.plain), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("last", ACTIVATIONS)
@pytest.mark.parametrize("make", [perceptron, images])
def test_what_comes_in_and_what_went_out_stay(
    make: Callable[[Activation | None], Chain], last: Activation | None
) -> None:
    chain, x = make(last), drawn(20, 3).requires_grad_()
    before, gradient = x.detach().clone(), drawn(20, 4)
    value = chain(x)
    kept, given = value.detach().clone(), gradient.clone()
    once = torch.autograd.grad(value, x, gradient, retain_graph=True)[0]
    again = torch.autograd.grad(value, x, gradient)[0]
    assert torch.equal(once, again)
    for now, then in ((x, before), (value, kept), (gradient, given)):
        assert torch.equal(now, then)


def test_a_flattening_end_does_not_write_over_the_gradient_it_is_given() -> None:
    chain = Chain([ConvolutionLink(frozen(nn.Conv2d(1, 2, 1)), Rectifier(0.1)), ReshapeLink(nn.Flatten())])
    x, gradient = drawn(3, 1, 2, 2).requires_grad_(), drawn(3, 8)
    given = gradient.clone()
    torch.autograd.grad(chain(x), x, gradient)
    assert torch.equal(gradient, given)


def large() -> tuple[Chain, Tensor]:
    chain, x = perceptron(Rectifier(0.2), width=40), drawn(2_000, 3)
    assert x.shape[0] * 40 >= _LEAST_OUTPUTS
    return chain, x


@pytest.mark.parametrize(
    "laid", [lambda x: x.t().contiguous().t(), lambda x: x[:1].expand(2_000, -1), lambda x: x[::2]]
)
def test_large_batches_in_any_layout(laid: Callable[[Tensor], Tensor]) -> None:
    chain, x = large()
    torch.testing.assert_close(chain(laid(x)), chain.plain(laid(x)), rtol=1e-4, atol=1e-5)


def test_a_first_large_batch_in_inference_mode_leaves_gradients_possible() -> None:
    chain, x = large()
    with torch.inference_mode():
        chain(x)
    torch.testing.assert_close(value_and_gradient(chain, x), value_and_gradient(chain.plain, x), rtol=1e-4, atol=1e-5)


def test_gradients_of_sums_which_have_no_memory_of_their_own() -> None:
    chain = Chain([LinearLink(drawn(40, 40), None)])
    x = drawn(200, 40).requires_grad_()
    (gradient,) = torch.autograd.grad(chain(x).sum(), x)
    torch.testing.assert_close(gradient, drawn(40, 40).sum(dim=0).expand(200, -1), rtol=1e-4, atol=1e-5)


def test_the_output_of_a_leaky_rectifier_may_be_changed_in_place() -> None:
    def gradient(network: Callable[[Tensor], Tensor]) -> Tensor:
        x = drawn(20, 3).requires_grad_()
        return torch.autograd.grad(network(x).mul_(2).sum(), x)[0]

    chain = perceptron(Rectifier(0.2))
    torch.testing.assert_close(gradient(chain), gradient(chain.plain), rtol=1e-4, atol=1e-5)


def test_an_infinity_is_rectified_as_by_torch() -> None:
    chain = Chain([LinearLink(torch.ones(1, 1), None, Rectifier(0.0))])
    x = torch.tensor([[float("-inf")], [float("inf")]], requires_grad=True)
    assert chain(x).flatten().tolist() == [0, float("inf")]
