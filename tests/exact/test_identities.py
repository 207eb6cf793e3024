"""Published methods which are the same method, and what must not change the answer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from toys import LinearGenerator, QuadraticCritic, mlp_critic, mlp_generator

F64 = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture
def z0() -> Tensor:
    return torch.randn(16, 2, dtype=torch.float64)


@pytest.mark.parametrize("noise_scale", [1.0, 0.1])
@pytest.mark.parametrize("latent", [True, False])
def test_ddls_is_the_kl_flow_with_the_prior(z0: Tensor, noise_scale: float, latent: bool) -> None:
    """z + (h/2) grad + s sqrt(h) xi is Euler-Maruyama with step h/2 and temperature s^2."""
    h, critic, generator = 0.08, mlp_critic(), mlp_generator() if latent else None
    method = wf.methods.ddls(
        critic, z0, generator, prior=wf.spaces.Normal(2), step_size=h, noise_scale=noise_scale, steps=9, seed=3
    )
    data_term = wf.Divergence(wf.KL(), critic)
    potential = (wf.Pullback(data_term, generator) if generator else data_term) + wf.GaussianPrior()
    flow = wf.flow(z0, potential, wf.EulerMaruyama(h / 2, noise_scale**2), steps=9, seed=3)
    torch.testing.assert_close(method.particles, flow.x, **F64)


@pytest.mark.parametrize("latent", [True, False])
def test_mala_is_ddls_at_unit_temperature_with_accept_and_reject(z0: Tensor, latent: bool) -> None:
    critic, generator, prior = mlp_critic(), mlp_generator() if latent else None, wf.spaces.Normal(2)
    method = wf.methods.mala(critic, z0, generator, prior, step_size=0.3, steps=9, seed=3)
    data_term = wf.Divergence(wf.KL(), critic)
    potential = wf.GaussianPrior() + (wf.Pullback(data_term, generator) if generator else data_term)
    flow = wf.flow(z0, potential, wf.MALA(0.3), steps=9, seed=3)
    torch.testing.assert_close(method.particles, flow.x, **F64)
    # Where its proposal is accepted, its first step is the one of DDLS with h / 2 = 0.3 and the full noise.
    first = wf.methods.mala(critic, z0, generator, prior, step_size=0.3, steps=1, seed=3).particles
    ddls = wf.methods.ddls(
        critic, z0, generator, prior=prior, step_size=0.6, noise_scale=1.0, steps=1, seed=3
    ).particles
    moved = (first != z0).any(dim=1)
    assert bool(moved.any())
    torch.testing.assert_close(first[moved], ddls[moved], **F64)


def test_dot_is_an_implicit_kl_step() -> None:
    """At DOT's minimum grad d(x) / K = (x - y) / ||x - y||: x = y + lambda grad d(x), lambda = ||x - y|| / K.

    That is a backward Euler step of the KL flow (paper, equation 14). For d = -||x - a||^2 / 2 the minimum is where
    the line from y to a enters the ball of radius K around a; from inside the ball nothing moves.
    """
    centre, k = torch.tensor([1.0, -1.0], dtype=torch.float64), 0.5
    critic = QuadraticCritic(centre.tolist())
    y = centre + torch.tensor([[1.5, 0.8], [-1.0, 2.0], [0.3, -1.2], [0.2, 0.1]], dtype=torch.float64)
    x = wf.methods.dot(critic, y, lipschitz=k, lr=4e-3, steps=700, seed=0).samples
    away = y - centre
    distance = away.norm(dim=1, keepdim=True)
    expected = centre + away * (k / distance).clamp(max=1)
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-2)
    outside = distance.squeeze(1) > k
    length = (x - y).norm(dim=1, keepdim=True) / k
    torch.testing.assert_close((y + length * (centre - x))[outside], x[outside], rtol=0, atol=4e-2)


def test_quadratic_proximal_step_is_backward_euler_with_lambda_one_half() -> None:
    """Equation 14 with f' = log and lambda = 1/2: argmin -d(x) + ||x - y||^2 solves x = y + grad d(x) / 2."""
    curvature, centre = 3.0, torch.tensor([0.5, -2.0], dtype=torch.float64)
    y = torch.randn(8, 2, dtype=torch.float64)
    potential = wf.Divergence(wf.KL(), QuadraticCritic(centre.tolist(), curvature)) + (
        lambda x: (x - y).square().sum(1)
    )
    x = wf.flow(y, potential, wf.EulerMaruyama(0.1), steps=200).x
    torch.testing.assert_close(x, (y + curvature / 2 * centre) / (1 + curvature / 2))
    torch.testing.assert_close(x, y + curvature * (centre - x) / 2)


def test_dot_does_not_move_where_the_critic_is_flatter_than_its_lipschitz_constant() -> None:
    critic = QuadraticCritic([0.0, 0.0], 0.1)
    y = torch.tensor([[1.0, -2.0], [0.5, 0.5]], dtype=torch.float64)
    x = wf.methods.dot(critic, y, lipschitz=10.0, lr=1e-3, steps=200).samples
    torch.testing.assert_close(x, y, rtol=0, atol=5e-3)


@pytest.mark.parametrize("latent", [False, True])
def test_dot_estimates_the_lipschitz_constant_of_a_line(latent: bool) -> None:
    """In one dimension every pair of a linear critic has the same quotient, so the estimate is exact: |c s|."""
    critic = torch.nn.Linear(1, 1, dtype=torch.float64)
    with torch.no_grad():
        critic.weight.fill_(-3.0)
    generator = None
    if latent:
        generator = LinearGenerator(torch.full((1, 1), 0.5).double(), torch.ones(1).double())
    curved = torch.nn.Sequential(critic)
    x0 = torch.randn(300, 1, dtype=torch.float64)
    arguments = {"generator": generator, "lr": 0.05, "steps": 10, "seed": 0}
    estimated = wf.methods.dot(curved, x0, **arguments).particles
    given = wf.methods.dot(curved, x0, lipschitz=1.5 if latent else 3.0, **arguments).particles
    torch.testing.assert_close(estimated, given, rtol=1e-9, atol=1e-9)
    halved = wf.methods.dot(curved, x0, lipschitz=0.75 if latent else 1.5, **arguments).particles
    assert float((halved - given).abs().max()) > 1e-3


def test_seed_of_dot_chooses_the_pairs_of_the_estimate(z0: Tensor) -> None:
    a, b, c = (wf.methods.dot(mlp_critic(), z0, steps=5, seed=seed).particles for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("shift", [-7.0, 123.0])
def test_constant_shift_of_the_critic_changes_nothing_in_kl(z0: Tensor, shift: float) -> None:
    critic, integrator = mlp_critic(), wf.EulerMaruyama(0.1, 0.05)
    plain = wf.refine(critic, z0, integrator=integrator, steps=10, seed=1)
    moved = wf.refine(lambda x: critic(x) + shift, z0, integrator=integrator, steps=10, seed=1)
    torch.testing.assert_close(plain.samples, moved.samples, rtol=1e-10, atol=1e-10)
    # The contrast: in JS the shift changes the weights.
    js = [
        wf.refine(c, z0, divergence=wf.JensenShannon(), integrator=integrator, steps=10, seed=1).samples
        for c in (critic, lambda x: critic(x) + shift)
    ]
    assert float((js[0] - js[1]).abs().max()) > 1e-4


@pytest.mark.parametrize("latent", [False, True])
def test_refine_is_the_flow_of_the_divergence(z0: Tensor, latent: bool) -> None:
    critic, generator = mlp_critic(), mlp_generator() if latent else None
    integrator = wf.EulerMaruyama(0.07, 0.02)
    for divergence in (wf.KL(), wf.JensenShannon(), wf.LogD(), wf.Pearson(), wf.ReverseKL(), wf.Hellinger()):
        r = wf.refine(critic, z0, generator, divergence=divergence, integrator=integrator, steps=6, seed=2)
        potential = wf.Divergence(divergence, critic)
        state = wf.flow(z0, wf.Pullback(potential, generator) if generator else potential, integrator, steps=6, seed=2)
        torch.testing.assert_close(r.particles, state.x, **F64)
        torch.testing.assert_close(r.samples, generator(state.x) if generator else state.x, **F64)
        assert r.steps.tolist() == [6] * 16
        assert r.evaluations == 6 * 16


def test_refine_keeps_to_its_space(z0: Tensor) -> None:
    critic, generator, box = mlp_critic(), mlp_generator(), wf.spaces.Box(-0.3, 0.3)
    start, integrator = box.project(z0), wf.EulerMaruyama(0.2, 0.1)
    r = wf.refine(critic, start, generator, integrator=integrator, steps=8, seed=2, space=box)
    potential = wf.Pullback(wf.Divergence(wf.KL(), critic), generator)
    torch.testing.assert_close(r.particles, wf.flow(start, potential, integrator, 8, box, seed=2).x, **F64)
    assert float(r.particles.abs().max()) == 0.3


def test_defaults_of_refine_are_the_published_ones(z0: Tensor) -> None:
    """25 steps of h = 0.1 at temperature 0.01, KL."""
    critic = mlp_critic()
    default = wf.refine(critic, z0, seed=4)
    spelled = wf.refine(critic, z0, None, divergence=wf.KL(), integrator=wf.EulerMaruyama(0.1, 0.01), steps=25, seed=4)
    assert torch.equal(default.samples, spelled.samples)
    assert not torch.equal(default.samples, wf.refine(critic, z0, seed=4, steps=24).samples)


def test_defaults_of_ddls_and_dot_are_the_published_ones(z0: Tensor) -> None:
    critic, prior = mlp_critic(), wf.spaces.Normal(2)
    assert torch.equal(
        wf.methods.ddls(critic, z0, prior=prior, seed=4).particles,
        wf.methods.ddls(critic, z0, None, prior=prior, step_size=0.01, noise_scale=0.1, steps=50, seed=4).particles,
    )
    assert torch.equal(
        wf.methods.dot(critic, z0, lipschitz=1.0, seed=4).particles,
        wf.methods.dot(critic, z0, None, 1.0, lr=0.01, betas=(0.0, 0.9), steps=100, seed=4).particles,
    )
