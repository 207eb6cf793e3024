"""DDLS on a linear generator with a quadratic critic: the latent posterior and the discrete chain are Gaussian."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from toys import LinearGenerator, QuadraticCritic

MATRIX = torch.tensor([[1.0, 0.4], [-0.3, 0.7]], dtype=torch.float64)
SHIFT = torch.tensor([0.2, -0.1], dtype=torch.float64)
CENTRE, CURVATURE = [1.0, -1.0], 1.8
N = 60_000


def chain(z_mean: Tensor, z_cov: Tensor, h: float, noise_scale: float, steps: int) -> tuple[Tensor, Tensor]:
    """z <- z + (h/2)(-z + J' c (a - g(z))) + s sqrt(h) xi, as a recursion of the first two moments."""
    precision = torch.eye(2).double() + CURVATURE * MATRIX.T @ MATRIX
    pull = CURVATURE * MATRIX.T @ (torch.tensor(CENTRE).double() - SHIFT)
    a = torch.eye(2).double() - h / 2 * precision
    for _ in range(steps):
        z_mean = a @ z_mean + h / 2 * pull
        z_cov = a @ z_cov @ a.T + noise_scale**2 * h * torch.eye(2).double()
    return z_mean, z_cov


@pytest.mark.parametrize(("h", "noise_scale", "steps"), [(0.4, 1.0, 60), (0.2, 0.1, 5), (0.01, 0.5, 20)])
def test_chain_has_the_moments_of_its_recursion(h: float, noise_scale: float, steps: int) -> None:
    z0 = torch.randn(N, 2, dtype=torch.float64)
    critic, generator = QuadraticCritic(CENTRE, CURVATURE), LinearGenerator(MATRIX, SHIFT)
    r = wf.methods.ddls(
        critic, z0, generator, prior=wf.spaces.Normal(2), step_size=h, noise_scale=noise_scale, steps=steps, seed=7
    )
    mean, cov = chain(torch.zeros(2).double(), torch.eye(2).double(), h, noise_scale, steps)
    spread = cov.diagonal()
    assert bool(((r.particles.mean(0) - mean).abs() < 5 * (spread / N).sqrt()).all())
    error = ((spread[:, None] * spread[None] + cov.square()) / N).sqrt()
    assert bool(((r.particles.T.cov() - cov).abs() < 5 * error).all())
    torch.testing.assert_close(r.samples, r.particles @ MATRIX.T + SHIFT)


def test_small_steps_sample_the_analytic_posterior() -> None:
    """At noise_scale 1 and h -> 0 the law is p_Z(z) exp(d(g(z))): the prior counts, with weight one."""
    precision = torch.eye(2).double() + CURVATURE * MATRIX.T @ MATRIX
    pull = CURVATURE * MATRIX.T @ (torch.tensor(CENTRE).double() - SHIFT)
    n = 4_000
    r = wf.methods.ddls(
        QuadraticCritic(CENTRE, CURVATURE),
        torch.randn(n, 2, dtype=torch.float64),
        LinearGenerator(MATRIX, SHIFT),
        prior=wf.spaces.Normal(2),
        step_size=0.05,
        noise_scale=1.0,
        steps=200,
        seed=8,
    )
    cov = torch.linalg.inv(precision)
    spread = cov.diagonal()
    assert bool(((r.particles.mean(0) - cov @ pull).abs() < 5 * (spread / n).sqrt()).all())
    # The step of 0.05 itself inflates variances by 1 / (1 - h p / 4), at most 5 % here.
    inflation = 1 / (1 - 0.05 / 4 * float(torch.linalg.eigvalsh(precision)[-1])) - 1
    error = 5 * ((spread[:, None] * spread[None] + cov.square()) / n).sqrt() + inflation * cov.abs().max()
    assert inflation < 0.06
    assert bool(((r.particles.T.cov() - cov).abs() < error).all())


def test_uniform_prior_keeps_latents_in_its_box() -> None:
    """The critic pulls out of the box; the projection puts every latent on the nearest face."""
    box = wf.spaces.Box(-1.0, 1.0, shape=2)
    critic = QuadraticCritic([4.0, 0.0])
    r = wf.methods.ddls(critic, box.sample(200, seed=1).double(), prior=box, step_size=0.5, noise_scale=0.1, steps=40)
    assert bool((r.particles.abs() <= 1).all())
    assert bool((r.particles[:, 0] == 1).all())
    # Inside, a uniform prior has no score: the second coordinate is pulled by the critic alone.
    free = wf.methods.ddls(
        QuadraticCritic([0.2, -0.3]),
        torch.zeros(1, 2, dtype=torch.float64),
        prior=box,
        step_size=0.5,
        noise_scale=0.0,
        steps=1,
    )
    torch.testing.assert_close(free.particles, torch.tensor([[0.05, -0.075]], dtype=torch.float64))
