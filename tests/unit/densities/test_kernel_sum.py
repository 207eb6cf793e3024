"""Streamed kernel sums against the plain formula, and what they leave out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wasserflow.densities import KernelDensity, KernelSum, log_sum

BANDWIDTH = 1.3


def cloud(n: int, dim: int = 3, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, dim, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def plain(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """The formula, with every kernel stored."""
    return ((-((x[:, None] - y) ** 2).sum(-1) / BANDWIDTH**2).exp() * weights).sum(1).log()


def value_and_gradient(function, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    value = function(x)
    return value.detach(), torch.autograd.grad(value.sum(), x)[0]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks of rows and columns, the last ones incomplete."""
    monkeypatch.setattr(log_sum, "ROWS", 7)
    monkeypatch.setattr(log_sum, "COLUMNS", 4)


@pytest.mark.usefixtures("small_blocks")
def test_streamed_sum_is_the_plain_sum() -> None:
    x, y, weights = cloud(20), cloud(30, seed=1) + 0.5, torch.linspace(0.1, 2, 30, dtype=torch.float64)
    for got, expected in zip(
        value_and_gradient(KernelSum(y[None], weights, BANDWIDTH), x),
        value_and_gradient(lambda x: plain(x, y, weights), x),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("small_blocks")
def test_upstream_gradients_are_passed_on() -> None:
    x, y, weights = cloud(9).requires_grad_(), cloud(10, seed=1), torch.ones(10, dtype=torch.float64)
    factor = torch.linspace(-1, 3, 9, dtype=torch.float64)
    (got,) = torch.autograd.grad((factor * KernelSum(y[None], weights, BANDWIDTH)(x)).sum(), x)
    (expected,) = torch.autograd.grad((factor * plain(x, y, weights)).sum(), x)
    torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11)


def test_several_draws_are_averaged() -> None:
    x, y, weights = cloud(6), torch.stack([cloud(8, seed=s) for s in (1, 2, 3)]), torch.ones(8, dtype=torch.float64)
    got = KernelSum(y, weights, BANDWIDTH)(x)
    expected = torch.stack([plain(x, part, weights).exp() for part in y]).mean(0).log()
    torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("signs", ["positive", "mixed"])
@pytest.mark.parametrize("draws", [1, 2])
def test_leave_one_out_gradient_against_finite_differences(signs: str, draws: int) -> None:
    """Particle i moves while the cloud stands still, its own reference left out."""
    cloud_ = cloud(12)
    references = torch.stack([cloud_ + 0.1 * draw for draw in range(draws)])
    weights = torch.linspace(0.5, 1.5, 12, dtype=torch.float64)
    if signs == "mixed":
        weights[::4] *= -0.2
    own = torch.arange(12)
    _, gradient = value_and_gradient(lambda x: KernelSum(references, weights, BANDWIDTH)(x, own), cloud_)
    for i in range(12):
        others = [j for j in range(12) if j != i]
        for axis in range(3):
            shift = torch.zeros(1, 3, dtype=torch.float64)
            shift[0, axis] = 1e-5
            values = [
                torch.stack([plain(cloud_[i : i + 1] + s, y[others], weights[others]).exp() for y in references])
                .mean(0)
                .log()
                for s in (shift, -shift)
            ]
            slope = float(values[0] - values[1]) / 2e-5
            assert float(gradient[i, axis]) == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_own_kernel_matters() -> None:
    x = cloud(12)
    density = KernelSum(x[None], torch.ones(12, dtype=torch.float64), 0.5)
    own = torch.arange(12)
    torch.testing.assert_close(density(x).exp() - density(x, own).exp(), torch.ones(12, dtype=torch.float64))
    assert torch.equal(density(x, torch.full((12,), -1)), density(x))


def test_negative_weights() -> None:
    x, y = cloud(20), cloud(10, seed=1)
    weights = torch.ones(10, dtype=torch.float64)
    weights[3], weights[7] = -0.3, -0.1
    got = value_and_gradient(KernelSum(y[None], weights, BANDWIDTH), x)
    sums = ((-((x[:, None] - y) ** 2).sum(-1) / BANDWIDTH**2).exp() * weights).sum(1)
    absolute = plain(x, y, weights.abs()).exp()
    valid = sums > log_sum.FLOOR * absolute
    assert 0 < int(valid.sum()) <= 20
    expected = value_and_gradient(lambda x: plain(x, y, weights), x)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a[valid], b[valid], rtol=1e-9, atol=1e-9)


def test_sum_that_is_not_positive_falls_back_to_its_absolute_value() -> None:
    y = torch.tensor([[0.0], [4.0]], dtype=torch.float64)
    density = KernelSum(y[None], torch.tensor([-1.0, 1.0], dtype=torch.float64), 1.0)
    x = torch.tensor([[0.3]], dtype=torch.float64)
    value, gradient = value_and_gradient(density, x)
    absolute = value_and_gradient(KernelSum(y[None], torch.ones(2, dtype=torch.float64), 1.0), x)
    torch.testing.assert_close(value, absolute[0] + torch.tensor(log_sum.FLOOR, dtype=torch.float64).log())
    torch.testing.assert_close(gradient, absolute[1])


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_particle_out_of_every_kernel_s_reach_is_pulled_to_the_nearest(dtype: torch.dtype, negative: bool) -> None:
    y = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=dtype)
    weights = torch.tensor([1.0, -0.5 if negative else 1.0], dtype=dtype)
    x = torch.tensor([[1e3, 0.0]], dtype=dtype)
    value, gradient = value_and_gradient(KernelSum(y[None], weights, 1.0), x)
    assert bool(value.isfinite().all())
    torch.testing.assert_close(gradient, torch.tensor([[-2 * 999.0, 0.0]], dtype=dtype), rtol=1e-3, atol=1e-3)


def test_single_precision_far_from_the_origin() -> None:
    """Matrix-form distances cancel: centring keeps features with a large common offset exact enough."""
    x, y = cloud(50, 64), cloud(60, 64, seed=1)
    exact = KernelDensity(bandwidth=5.0).fit(y)(x)
    single = KernelDensity(bandwidth=5.0).fit((y + 100).float())((x + 100).float())
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=1e-3)


def test_no_gradient_reaches_the_references() -> None:
    y = cloud(5).requires_grad_()
    x = cloud(4, seed=1).requires_grad_()
    KernelSum(y[None], torch.ones(5, dtype=torch.float64), 1.0)(x).sum().backward()
    assert y.grad is None
    assert x.grad is not None
