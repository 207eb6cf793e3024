"""Densities against laws known on paper: convergence rates, the limit of a large ridge, mollified kernels."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import wasserflow as wf
from wasserflow.densities import KernelSum, LogDensity, shifted_features
from wasserflow.seeds import Noise

POINTS = torch.linspace(-1.5, 1.5, 31, dtype=torch.float64)[:, None]


def gaussian(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, 1, dtype=torch.float64, generator=generator)


def gaussian_score(x: Tensor) -> Tensor:
    return -x


def mixture(n: int, generator: torch.Generator) -> Tensor:
    side = torch.randint(0, 2, (n, 1), generator=generator) * 2 - 1
    return side * 1.2 + 0.8 * gaussian(n, generator)


def mixture_score(x: Tensor) -> Tensor:
    """Of N(-1.2, 0.64) / 2 + N(1.2, 0.64) / 2."""
    return (1.2 * (1.2 * x / 0.64).tanh() - x) / 0.64


LAWS = {"gaussian": (gaussian, gaussian_score), "mixture": (mixture, mixture_score)}


def score_of(density: LogDensity, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(density(x).sum(), x)[0]


def errors(law: str, fit: Callable[[Tensor], LogDensity], sizes: list[int], repeats: int) -> list[float]:
    """Root mean squared error of the log-density's gradient for each number of references."""
    draw, score = LAWS[law]
    generator = torch.Generator().manual_seed(11)
    squares = [
        torch.stack(
            [(score_of(fit(draw(n, generator)), POINTS) - score(POINTS)).square().mean() for _ in range(repeats)]
        )
        for n in sizes
    ]
    return [float(square.mean().sqrt()) for square in squares]


def textbook_bandwidth(n: int) -> float:
    # The kernel exp(-u²/b²) is a Gaussian of standard deviation b / sqrt(2).
    return math.sqrt(2) * 0.9 * n ** (-1 / 7)


@pytest.mark.parametrize("law", LAWS)
def test_gradient_error_falls_at_the_textbook_rate(law: str) -> None:
    """In one dimension, with bandwidths ~ n^(-1/7), the error of a density's derivative falls as n^(-2/7)."""
    sizes = [250, 2_000, 16_000]
    found = errors(law, lambda y: wf.KernelDensity(textbook_bandwidth(len(y))).fit(y), sizes, repeats=16)
    slope = np.polyfit(np.log(sizes), np.log(found), 1)[0]
    assert slope == pytest.approx(-2 / 7, abs=0.05)
    assert found[-1] < 0.35


@pytest.mark.parametrize("law", LAWS)
def test_a_large_ridge_errs_as_kernel_density_does(law: str) -> None:
    sizes = [125, 1_000]
    large = errors(law, lambda y: wf.KernelRidge(1e7, textbook_bandwidth(len(y))).fit(y), sizes, repeats=4)
    kernel = errors(law, lambda y: wf.KernelDensity(textbook_bandwidth(len(y))).fit(y), sizes, repeats=4)
    assert large == pytest.approx(kernel, rel=1e-3)
    assert large[1] < large[0]


@pytest.mark.parametrize("law", LAWS)
def test_stein_score_error_falls_as_the_root_of_n(law: str) -> None:
    """At a fixed kernel and ridge n λ the error is the Monte Carlo one, n^(-1/2), above a bias that λ decides."""
    sizes = [100, 400, 1_200]
    found = errors(law, lambda y: wf.SteinScore(ridge=1e-3 * len(y), bandwidth=2.0).fit(y), sizes, repeats=8)
    slope = np.polyfit(np.log(sizes), np.log(found), 1)[0]
    assert -0.6 < slope < -0.25
    assert found[-1] < 0.2


def test_large_ridge_is_kernel_density() -> None:
    generator = torch.Generator().manual_seed(3)
    x, y = (torch.randn(n, 4, dtype=torch.float64, generator=generator) for n in (50, 120))
    own = torch.arange(50)
    ridge, density = wf.KernelRidge(ridge=1e9, bandwidth=1.5).fit(y), wf.KernelDensity(bandwidth=1.5).fit(y)
    for arguments in ((x,), (y[:50], own)):
        gap = ridge(*arguments) - density(*arguments)
        torch.testing.assert_close(gap, gap.mean().expand(50), rtol=0, atol=1e-6)
        # Both are a mean of kernels: the ridge's is smaller by n / ridge.
        assert float(gap.mean()) == pytest.approx(math.log(120 / 1e9), abs=1e-6)
    torch.testing.assert_close(score_of(ridge, x), score_of(density, x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [0.3, 0.8])
def test_mollified_kernel_is_a_wider_kernel_on_average(scale: float) -> None:
    """E exp(-‖Δ + ε‖²/b²) = (b² / (b² + 2σ²))^(d/2) exp(-‖Δ‖² / (b² + 2σ²)) for φ = identity."""
    bandwidth, dim, draws = 1.1, 3, 4_000
    generator = torch.Generator().manual_seed(4)
    x, y = (torch.randn(n, dim, dtype=torch.float64, generator=generator) for n in (5, 7))
    shifted = shifted_features(None, y, scale, draws, Noise(wf.sample_seeds(0, 7), step=0))
    wide = bandwidth**2 + 2 * scale**2
    kernels = (-torch.cdist(x, y).square() / wide).exp() * (bandwidth**2 / wide) ** (dim / 2)
    samples = (-(x[:, None, None] - shifted).square().sum(-1) / bandwidth**2).exp()  # (points, draws, references)
    standard_error = samples.sum(2).std(1) / math.sqrt(draws)
    got = KernelSum(shifted, torch.ones(7, dtype=torch.float64), bandwidth)(x).exp()
    assert bool(((got - kernels.sum(1)).abs() < 4 * standard_error).all())
    # The plain kernel is many standard errors away, and so is one of half or twice the variance of the shifts.
    for wrong in (0.0, scale**2, 4 * scale**2):
        width = bandwidth**2 + wrong
        other = ((-torch.cdist(x, y).square() / width).exp() * (bandwidth**2 / width) ** (dim / 2)).sum(1)
        assert bool(((got - other).abs() > 4 * standard_error).any())


@pytest.mark.parametrize("density", [wf.KernelDensity(0.8), wf.KernelRidge(0.1, 0.8)], ids=["density", "ridge"])
def test_repulsion_s_gradient_against_finite_differences(density: object) -> None:
    """Particle i moves among the others, which stand still, in the estimate that leaves its own kernel out."""
    x = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    free = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(wf.potentials.Interaction(None, density, repulsion=0.7)(free).sum(), free)
    fitted = density.fit(x)  # type: ignore[attr-defined]
    weights = fitted.weights

    def log_q(i: int, at: Tensor) -> float:
        others = [j for j in range(9) if j != i]
        kernels = (-(at - x[others]).square().sum(1) / 0.8**2).exp() * weights[others]
        total, absolute = float(kernels.sum()), float(kernels.abs().sum())
        return 0.7 * math.log(total if total > 0.01 * absolute else absolute)

    for i in range(9):
        for axis in range(2):
            shift = torch.zeros(2, dtype=torch.float64)
            shift[axis] = 1e-5
            slope = (log_q(i, x[i] + shift) - log_q(i, x[i] - shift)) / 2e-5
            assert float(gradient[i, axis]) == pytest.approx(slope, rel=1e-5, abs=1e-7)
