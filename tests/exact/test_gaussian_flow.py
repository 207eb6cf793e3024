"""The KL flow between two Gaussians: the log-ratio is quadratic, so mean and covariance follow an exact recursion."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from toys import GaussianLogRatio, LinearGenerator

MEAN_DATA = torch.tensor([1.0, -0.5], dtype=torch.float64)
COV_DATA = torch.tensor([[0.5, 0.2], [0.2, 0.4]], dtype=torch.float64)
MEAN_MODEL = torch.tensor([0.0, 0.3], dtype=torch.float64)
COV_MODEL = torch.tensor([[2.0, -0.3], [-0.3, 1.5]], dtype=torch.float64)
MATRIX = torch.tensor([[1.2, 0.3], [-0.4, 0.8]], dtype=torch.float64)
SHIFT = torch.tensor([0.1, -0.2], dtype=torch.float64)


@pytest.fixture
def critic() -> GaussianLogRatio:
    return GaussianLogRatio(MEAN_DATA, COV_DATA, MEAN_MODEL, COV_MODEL)


def recursion(mean: Tensor, cov: Tensor, h: float, t: float, steps: int, matrix: Tensor, shift: Tensor) -> tuple:
    """x <- A x + b + sqrt(2hT) xi with A, b from grad d = P0 (g(x) - m0) - P1 (g(x) - m1), pulled back by g."""
    precision_model, precision_data = torch.linalg.inv(COV_MODEL), torch.linalg.inv(COV_DATA)
    eye = torch.eye(2, dtype=torch.float64)
    a = eye + h * matrix.T @ (precision_model - precision_data) @ matrix
    b = h * matrix.T @ (precision_model @ (shift - MEAN_MODEL) - precision_data @ (shift - MEAN_DATA))
    for _ in range(steps):
        mean, cov = a @ mean + b, a @ cov @ a.T + 2 * h * t * eye
    return mean, cov


@pytest.mark.parametrize("latent", [False, True])
def test_moments_without_noise_are_exact(critic: GaussianLogRatio, latent: bool) -> None:
    """An affine map carries the sample moments exactly, whatever the sample."""
    generator = LinearGenerator(MATRIX, SHIFT) if latent else None
    matrix, shift = (MATRIX, SHIFT) if latent else (torch.eye(2, dtype=torch.float64), torch.zeros(2).double())
    x0 = torch.randn(50, 2, dtype=torch.float64)
    r = wf.refine(critic, x0, generator, integrator=wf.EulerMaruyama(0.1, 0.0), steps=12, seed=0)
    mean, cov = recursion(x0.mean(0), x0.T.cov(), 0.1, 0.0, 12, matrix, shift)
    torch.testing.assert_close(r.particles.mean(0), mean, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(r.particles.T.cov(), cov, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(r.samples, r.particles @ matrix.T + shift, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("latent", [False, True])
def test_moments_with_noise(critic: GaussianLogRatio, latent: bool) -> None:
    n, h, t, steps = 60_000, 0.15, 0.3, 15
    generator = LinearGenerator(MATRIX, SHIFT) if latent else None
    matrix, shift = (MATRIX, SHIFT) if latent else (torch.eye(2, dtype=torch.float64), torch.zeros(2).double())
    x0 = torch.randn(n, 2, dtype=torch.float64)
    r = wf.refine(critic, x0, generator, integrator=wf.EulerMaruyama(h, t), steps=steps, seed=5)
    mean, cov = recursion(torch.zeros(2).double(), torch.eye(2).double(), h, t, steps, matrix, shift)
    spread = cov.diagonal()
    # 5 standard errors of a Gaussian sample's mean and covariance entries.
    assert bool(((r.particles.mean(0) - mean).abs() < 5 * (spread / n).sqrt()).all())
    error = ((spread[:, None] * spread[None] + cov.square()) / n).sqrt()
    assert bool(((r.particles.T.cov() - cov).abs() < 5 * error).all())


def test_stale_flow_without_noise_overshoots_into_collapse(critic: GaussianLogRatio) -> None:
    """The stale KL flow keeps shrinking: it does not stop at the data's covariance. Steps are the regulariser."""
    x0 = torch.randn(2000, 2, dtype=torch.float64)
    x = wf.refine(critic, x0, integrator=wf.EulerMaruyama(0.1, 0.0), steps=200).samples
    assert float(x.T.cov().diagonal().max()) < 1e-6
    precision_model, precision_data = torch.linalg.inv(COV_MODEL), torch.linalg.inv(COV_DATA)
    mode = torch.linalg.solve(
        precision_data - precision_model, precision_data @ MEAN_DATA - precision_model @ MEAN_MODEL
    )
    torch.testing.assert_close(x.mean(0), mode, rtol=1e-4, atol=1e-4)


def test_temperature_one_kl_law_is_the_tilted_one() -> None:
    """Kept stale, the invariant law is exp(d / T), up to Euler's own factor 1 / (1 - h p / 2)."""
    h, t, p, n = 0.2, 0.5, 2.0, 100_000
    x0 = torch.zeros(n, 1, dtype=torch.float64)
    r = wf.refine(lambda x: -p / 2 * x.square().sum(1), x0, integrator=wf.EulerMaruyama(h, t), steps=40, seed=3)
    expected = t / p / (1 - h * p / 2)
    assert abs(float(r.samples.var()) / expected - 1) < 4.5 * math.sqrt(2 / n)
