"""The table of f-divergences against its definition: f'(r) at r = exp(-log_ratio), by autograd in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import wasserflow as wf

LOG2 = math.log(2)
# The convex functions as defined in the papers, written out again.
FUNCTIONS = {
    "KL": lambda r: r * r.log(),
    "ReverseKL": lambda r: -r.log(),
    "JensenShannon": lambda r: r * r.log() - (r + 1) * ((r + 1) / 2).log(),
    "LogD": lambda r: (r + 1) * (r + 1).log() - 2 * LOG2,
    "Pearson": lambda r: (r - 1) ** 2,
    "Hellinger": lambda r: (r.sqrt() - 1) ** 2,
}
# w(d) = r f''(r), by hand.
WEIGHTS = {
    "KL": lambda d: 1.0,
    "ReverseKL": lambda d: math.exp(d),
    "JensenShannon": lambda d: 1 / (1 + math.exp(-d)),
    "LogD": lambda d: 1 / (1 + math.exp(d)),
    "Pearson": lambda d: 2 * math.exp(-d),
    "Hellinger": lambda d: math.exp(d / 2) / 2,
}
# First variations at large |d|, float64 by hand, zero-constant forms; None where float32 has no finite value.
EXTREMES = {
    "KL": {80.0: -80.0, -80.0: 80.0, 1e4: -1e4, -1e4: 1e4},
    "ReverseKL": {80.0: -math.exp(80), -80.0: -math.exp(-80), -1e4: 0.0},
    "JensenShannon": {80.0: -80.0, -80.0: -math.exp(-80), 1e4: -1e4, -1e4: 0.0},
    "LogD": {80.0: math.exp(-80), -80.0: 80.0, 1e4: 0.0, -1e4: 1e4},
    "Pearson": {80.0: 2 * math.exp(-80), -80.0: 2 * math.exp(80), 1e4: 0.0},
    "Hellinger": {80.0: -math.exp(40), -80.0: -math.exp(-40), -1e4: 0.0},
}
NAMES = sorted(FUNCTIONS)


def derivative(function, at: Tensor) -> Tensor:
    leaf = at.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return slope


@pytest.fixture
def log_ratio() -> Tensor:
    return torch.linspace(-6, 6, 101, dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
def test_f_is_the_published_function(name: str) -> None:
    r = torch.logspace(-3, 3, 61, dtype=torch.float64)
    torch.testing.assert_close(getattr(wf, name)().f(r), FUNCTIONS[name](r), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_f_vanishes_where_the_densities_agree(name: str) -> None:
    assert abs(float(getattr(wf, name)().f(torch.ones(1, dtype=torch.float64)))) < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_first_variation_is_f_prime_up_to_one_constant(name: str, log_ratio: Tensor) -> None:
    gap = getattr(wf, name)().first_variation(log_ratio) - derivative(FUNCTIONS[name], torch.exp(-log_ratio))
    scale = derivative(FUNCTIONS[name], torch.exp(-log_ratio)).abs().max()
    assert float(gap.max() - gap.min()) <= 1e-10 * float(scale)


@pytest.mark.parametrize("name", NAMES)
def test_first_variation_has_the_slope_of_f_prime(name: str, log_ratio: Tensor) -> None:
    slope = derivative(getattr(wf, name)().first_variation, log_ratio)
    expected = derivative(lambda d: derivative_graph(FUNCTIONS[name], torch.exp(-d)), log_ratio)
    torch.testing.assert_close(slope, expected, rtol=1e-9, atol=1e-12)


def derivative_graph(function, at: Tensor) -> Tensor:
    """f'(at), differentiable again."""
    (slope,) = torch.autograd.grad(function(at).sum(), at, create_graph=True)
    return slope


@pytest.mark.parametrize("name", NAMES)
def test_weight_is_minus_the_slope_of_the_first_variation(name: str, log_ratio: Tensor) -> None:
    divergence = getattr(wf, name)()
    torch.testing.assert_close(
        divergence.weight(log_ratio), -derivative(divergence.first_variation, log_ratio), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("name", NAMES)
def test_weight_is_the_published_one(name: str, log_ratio: Tensor) -> None:
    expected = torch.tensor([WEIGHTS[name](d) for d in log_ratio.tolist()], dtype=torch.float64)
    torch.testing.assert_close(getattr(wf, name)().weight(log_ratio), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_log_ratios_stay_finite_where_the_truth_is(name: str, dtype: torch.dtype) -> None:
    divergence = getattr(wf, name)()
    at = torch.tensor(list(EXTREMES[name]), dtype=dtype)
    expected = torch.tensor(list(EXTREMES[name].values()), dtype=torch.float64)
    # One constant is free: take it from d = 0.
    zero = torch.zeros(1, dtype=dtype)
    constant = divergence.first_variation(zero).double() - first_variation_at_zero(name)
    value = divergence.first_variation(at).double() - constant
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)


def first_variation_at_zero(name: str) -> float:
    return {"KL": 0.0, "ReverseKL": -1.0, "JensenShannon": -LOG2, "LogD": LOG2, "Pearson": 2.0, "Hellinger": -1.0}[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [80.0, -80.0])
def test_gradients_at_large_log_ratios(name: str, d: float) -> None:
    at = torch.tensor([d], dtype=torch.float32)
    truth = torch.tensor([WEIGHTS[name](d)], dtype=torch.float64)
    divergence = getattr(wf, name)()
    torch.testing.assert_close(-derivative(divergence.first_variation, at).double(), truth, rtol=1e-4, atol=1e-30)
    torch.testing.assert_close(divergence.weight(at).double(), truth, rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize("name", NAMES)
def test_potential_pulls_towards_higher_log_ratios(name: str) -> None:
    """velocity = w(d) grad d: the sign and the size, through the potential."""
    x = torch.tensor([[0.3, -0.2], [1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    critic = torch.nn.Linear(2, 1).double()
    energy = wf.Divergence(getattr(wf, name)(), critic)(x)
    assert energy.shape == (2,)
    (gradient,) = torch.autograd.grad(energy.sum(), x)
    weights = torch.tensor([WEIGHTS[name](d) for d in critic(x).flatten().tolist()], dtype=torch.float64)
    torch.testing.assert_close(-gradient, weights[:, None] * critic.weight.detach())
