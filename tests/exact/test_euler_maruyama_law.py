"""Laws of the unadjusted integrators on x^2 / 2, where every step is an affine map of Gaussians."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import wasserflow as wf

N = 200_000
# The sample variance of N normal numbers has relative standard deviation sqrt(2 / N); 4.5 of them is alpha = 7e-6.
TOLERANCE = 4.5 * math.sqrt(2 / N)


def quadratic(x: Tensor) -> Tensor:
    return x.square().flatten(1).sum(1) / 2


def final(integrator: object, steps: int, seed: int) -> Tensor:
    return wf.flow(torch.zeros(N // 10, 10, dtype=torch.float64), quadratic, integrator, steps=steps, seed=seed).x


@pytest.mark.parametrize(("h", "temperature"), [(0.5, 1.0), (0.25, 0.01), (1.5, 3.0)])
def test_stationary_variance_of_euler_maruyama(h: float, temperature: float) -> None:
    """x <- (1 - h) x + sqrt(2 h T) xi has variance 2hT / (1 - (1 - h)^2) = 2T / (2 - h), not T."""
    steps = 40  # from zero the variance is short by (1 - h)^80 < 1e-9 of itself
    x = final(wf.EulerMaruyama(h, temperature), steps, seed=11)
    assert abs(float(x.var()) / (2 * temperature / (2 - h)) - 1) < TOLERANCE
    assert abs(float(x.mean())) < 4.5 * math.sqrt(2 * temperature / (2 - h) / N)


@pytest.mark.parametrize(("h", "temperature"), [(0.5, 1.0), (1.0, 0.04)])
def test_stationary_variance_of_heun(h: float, temperature: float) -> None:
    """x <- (1 - h + h^2/2) x + (1 - h/2) sqrt(2hT) xi has variance T (2 - h) / (2 - h + h^2/2)."""
    x = final(wf.Heun(h, temperature), 40, seed=12)
    assert abs(float(x.var()) / (temperature * (2 - h) / (2 - h + h * h / 2)) - 1) < TOLERANCE


def test_variance_before_stationarity() -> None:
    """After k steps from zero: 2T / (2 - h) (1 - (1 - h)^2k); counts the steps as well as the noise."""
    h, temperature, steps = 0.1, 0.7, 3
    x = final(wf.EulerMaruyama(h, temperature), steps, seed=13)
    expected = 2 * temperature / (2 - h) * (1 - (1 - h) ** (2 * steps))
    assert abs(float(x.var()) / expected - 1) < TOLERANCE


def test_free_diffusion_spreads_as_two_t_times_time() -> None:
    """Without a drift the variance is 2 T x the sum of the step sizes, schedules included."""
    sizes, temperatures = [0.1, 0.4, 0.2], [1.0, 0.5, 3.0]
    integrator = wf.EulerMaruyama(step_size=lambda step: sizes[step], temperature=lambda step: temperatures[step])
    start = torch.zeros(N // 10, 10, dtype=torch.float64)
    x = wf.flow(start, lambda x: 0 * x.sum(1), integrator, steps=3, seed=14).x
    expected = 2 * sum(h * t for h, t in zip(sizes, temperatures, strict=True))
    assert abs(float(x.var()) / expected - 1) < TOLERANCE


@pytest.mark.parametrize("make", [wf.EulerMaruyama, wf.Heun])
def test_zero_temperature_is_deterministic(make: type) -> None:
    x0 = torch.randn(5, 3, dtype=torch.float64)
    a, b = (wf.flow(x0, quadratic, make(0.1, 0.0), steps=7, seed=seed).x for seed in (0, 1))
    assert torch.equal(a, b)
    factor = {wf.EulerMaruyama: 0.9, wf.Heun: 1 - 0.1 + 0.005}[make]
    torch.testing.assert_close(a, x0 * factor**7, rtol=1e-12, atol=1e-12)
