"""The update loops as published, transcribed in a few lines and run on the library's own noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from toys import mlp_critic, mlp_generator
from wasserflow.seeds import Noise

BATCH, STEPS, SEED = 12, 15, 9
TOLERANCE = {torch.float64: {"rtol": 1e-12, "atol": 1e-12}, torch.float32: {"rtol": 1e-5, "atol": 1e-6}}
DTYPES = [torch.float32, torch.float64]

# f'(r), the papers' own column.
F_PRIME = {
    "KL": lambda r: r.log() + 1,
    "JensenShannon": lambda r: (2 * r / (r + 1)).log(),
    "LogD": lambda r: (r + 1).log() + 1,
    "Pearson": lambda r: 2 * (r - 1),
    "ReverseKL": lambda r: -1 / r,
    "Hellinger": lambda r: 1 - r ** (-0.5),
}


def noise_path(x: Tensor) -> list[Tensor]:
    seeds = wf.sample_seeds(SEED, len(x))
    return [Noise(seeds, step).normal(x) for step in range(STEPS)]


def published_dgflow(f_prime: Callable, critic: nn.Module, generator: Callable, z: Tensor, eta: float, gamma: float):
    """Algorithm 1 of Ansari, Ang & Soh (2021)."""
    for xi in noise_path(z):
        z = z.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(f_prime(torch.exp(-critic(generator(z)))).sum(), z)
        z = z.detach() - eta * gradient + (2 * eta * gamma) ** 0.5 * xi
    return generator(z).detach()


def published_ddls(critic: nn.Module, generator: Callable, z: Tensor, h: float, scale: float, box: float | None):
    """Langevin on the latent energy, noise scaled (Che et al. 2020); clipped when the prior is uniform."""
    for xi in noise_path(z):
        z = z.detach().requires_grad_()
        log_prior = -z.square().sum(1) / 2 if box is None else 0.0
        (gradient,) = torch.autograd.grad((log_prior + critic(generator(z))).sum(), z)
        z = z.detach() + h / 2 * gradient + scale * h**0.5 * xi
        z = z if box is None else z.clamp(-box, box)
    return generator(z).detach()


def published_dot(critic: nn.Module, generator: Callable, y: Tensor, k: float, lr: float, prior: str | None) -> Tensor:
    """Adam on ||z - y|| - d(g(z)) / k (Tanaka 2019), with the exact radial projection for a Gaussian prior."""
    z, second, beta = y.clone(), torch.zeros_like(y), 0.9
    for step in range(1, STEPS + 1):
        z = z.detach().requires_grad_()
        distance = ((z - y).square().sum(1) + 1e-12).sqrt()
        (gradient,) = torch.autograd.grad((distance - critic(generator(z)) / k).sum(), z)
        z = z.detach()
        if prior == "normal":
            gradient = gradient - z * (gradient * z).sum(1, keepdim=True) / z.square().sum(1, keepdim=True)
        second = beta * second + (1 - beta) * gradient.square()
        z = z - lr * gradient / ((second / (1 - beta**step)).sqrt() + 1e-8)
        z = z.clamp(-1, 1) if prior == "box" else z
    return generator(z).detach()


def published_reno(reward: Callable, generator: Callable, z: Tensor, lr: float, clip: float, weight: float) -> Tensor:
    """Nesterov's momentum of 0.9 on -R + weight K, one latent after another, its gradient clipped (Eyring et al.)."""
    kept = []
    for latent in z:
        best, kept_image, velocity = float("inf"), latent, torch.zeros_like(latent)
        for _ in range(STEPS):
            leaf = latent.detach().requires_grad_()
            image = generator(leaf[None])
            loss, size = -reward(image).sum(), leaf.norm()
            (gradient,) = torch.autograd.grad(loss + weight * (size**2 / 2 - (len(latent) - 1) * size.log()), leaf)
            if loss < best:
                best, kept_image = loss, image[0].detach()
            gradient = gradient * min(1.0, clip / float(gradient.norm()))
            velocity = 0.9 * velocity + gradient
            latent = latent - lr * (gradient + 0.9 * velocity)
        kept.append(kept_image)
    return torch.stack(kept)


def identity(x: Tensor) -> Tensor:
    return x


def setting(dtype: torch.dtype, latent: bool) -> tuple[nn.Module, nn.Module | None, Tensor]:
    return mlp_critic(dtype=dtype), mlp_generator(dtype=dtype) if latent else None, torch.randn(BATCH, 2, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("latent", [False, True], ids=["data", "latent"])
@pytest.mark.parametrize("name", sorted(F_PRIME))
def test_dgflow(name: str, latent: bool, dtype: torch.dtype) -> None:
    critic, generator, z0 = setting(dtype, latent)
    expected = published_dgflow(F_PRIME[name], critic, generator or identity, z0, 0.03, 0.01)
    integrator = wf.EulerMaruyama(step_size=0.03, temperature=0.01)
    r = wf.refine(critic, z0, generator, divergence=getattr(wf, name)(), integrator=integrator, steps=STEPS, seed=SEED)
    # r = exp(-d) in the transcription costs a few digits which the library keeps.
    tolerance = TOLERANCE[dtype] if dtype == torch.float64 else {"rtol": 1e-4, "atol": 2e-5}
    torch.testing.assert_close(r.samples, expected, **tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("latent", [False, True], ids=["data", "latent"])
@pytest.mark.parametrize("box", [None, 1.0], ids=["normal", "uniform"])
def test_ddls(box: float | None, latent: bool, dtype: torch.dtype) -> None:
    critic, generator, z0 = setting(dtype, latent)
    z0 = z0 if box is None else z0.clamp(-box, box)
    expected = published_ddls(critic, generator or identity, z0, 0.3, 0.7, box)
    prior = wf.spaces.Normal(2) if box is None else wf.spaces.Box(-box, box, shape=2)
    r = wf.methods.ddls(critic, z0, generator, prior=prior, step_size=0.3, noise_scale=0.7, steps=STEPS, seed=SEED)
    torch.testing.assert_close(r.samples, expected, **TOLERANCE[dtype])
    assert box is None or bool((r.particles.abs() == box).any())


@pytest.mark.parametrize("prior", [None, "normal", "box"])
@pytest.mark.parametrize("latent", [False, True], ids=["data", "latent"])
def test_dot(prior: str | None, latent: bool) -> None:
    critic, generator, y = setting(torch.float64, latent)
    y = y.clamp(-1, 1) if prior == "box" else y
    expected = published_dot(critic, generator or identity, y, 0.4, 0.05, prior)
    space = {None: None, "normal": wf.spaces.Normal(2), "box": wf.spaces.Box(-1.0, 1.0, shape=2)}[prior]
    r = wf.methods.dot(critic, y, generator, lipschitz=0.4, lr=0.05, steps=STEPS, prior=space)
    torch.testing.assert_close(r.samples, expected, rtol=1e-5, atol=1e-6)
    assert float((r.particles - y).abs().max()) > 0.05


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("latent", [False, True], ids=["data", "latent"])
def test_reno(latent: bool, dtype: torch.dtype) -> None:
    reward, generator, z0 = setting(dtype, latent)
    expected = published_reno(reward, generator or identity, z0, 4.0, 0.1, 0.3)
    r = wf.methods.reno(reward, z0, generator, lr=4.0, regularisation=0.3, steps=STEPS)
    # Momentum makes long steps, and they carry the rounding of float32 on.
    tolerance = TOLERANCE[dtype] if dtype == torch.float64 else {"rtol": 1e-4, "atol": 5e-5}
    torch.testing.assert_close(r.samples, expected, **tolerance)
    assert r.evaluations == STEPS * BATCH


@pytest.mark.parametrize(
    "factory",
    [
        partial(torch.optim.SGD, lr=0.1),
        partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        partial(torch.optim.Adam, lr=0.05),
        partial(torch.optim.RMSprop, lr=0.02),
    ],
)
def test_optimizer_integrator_is_the_torch_loop(factory: Callable) -> None:
    critic, _, x0 = setting(torch.float64, latent=False)
    particles = nn.Parameter(x0.clone())
    optimizer = factory([particles])
    for _ in range(STEPS):
        optimizer.zero_grad()
        (gradient,) = torch.autograd.grad(-critic(particles).sum(), particles)
        particles.grad = gradient
        optimizer.step()
    x = wf.flow(x0, wf.Divergence(wf.KL(), critic), wf.Optimizer(factory), steps=STEPS).x
    torch.testing.assert_close(x, particles.detach(), rtol=1e-12, atol=1e-12)


def test_plain_sgd_is_the_euler_step() -> None:
    critic, _, x0 = setting(torch.float64, latent=False)
    potential = wf.Divergence(wf.LogD(), critic)
    sgd = wf.flow(x0, potential, wf.Optimizer(partial(torch.optim.SGD, lr=0.1)), steps=STEPS).x
    euler = wf.flow(x0, potential, wf.EulerMaruyama(0.1), steps=STEPS).x
    torch.testing.assert_close(sgd, euler, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "make", [partial(wf.EulerMaruyama, 0.1, 0.2), partial(wf.Heun, 0.1, 0.2), partial(wf.MALA, 0.1)]
)
def test_flow_takes_the_integrator_s_own_steps(make: Callable) -> None:
    """The loop adds nothing to step(): same drift, and noise numbered by the step from 0."""
    critic, _, x = setting(torch.float64, latent=False)
    integrator, seeds = make(), wf.sample_seeds(SEED, BATCH)

    def drift(x: Tensor) -> tuple[Tensor, Tensor]:
        leaf = x.detach().requires_grad_()
        energy = -critic(leaf)
        return -torch.autograd.grad(energy.sum(), leaf)[0], energy.detach()

    state = integrator.init(x)
    for step in range(STEPS):
        state = integrator.step(state, drift, Noise(seeds, step))
    looped = wf.flow(x, wf.Divergence(wf.KL(), critic), integrator, steps=STEPS, seed=SEED)
    torch.testing.assert_close(looped.x, state.x, rtol=1e-12, atol=1e-12)
    assert looped.step == STEPS
