"""The three-term flow: its special cases, its groups, and what it costs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from toys import mlp_critic, mlp_generator
from wasserflow.densities import MedianBandwidth, ReferenceFeatures, real_log_density
from wasserflow.seeds import Noise

F64 = {"rtol": 1e-11, "atol": 1e-11}


def normal(n: int, seed: int = 0, dim: int = 2) -> Tensor:
    return torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def z0() -> Tensor:
    return normal(16)


@pytest.mark.parametrize("latent", [True, False])
def test_likelihood_alone_is_dgflow(z0: Tensor, latent: bool) -> None:
    critic, generator = mlp_critic(), mlp_generator() if latent else None
    rule = wf.EulerMaruyama(0.1, 0.02)
    ours = wf.methods.gmi(
        generator, z0, log_likelihood=critic, weights=(0, 0, 1), integrator=rule, steps=9, batch_size=5, seed=3
    )
    theirs = wf.refine(critic, z0, generator, integrator=rule, steps=9, seed=3)
    torch.testing.assert_close(ours.particles, theirs.particles, **F64)
    torch.testing.assert_close(ours.samples, theirs.samples, **F64)
    assert ours.evaluations == theirs.evaluations


def test_weights_contain_the_step_size(z0: Tensor) -> None:
    ours = wf.methods.gmi(mlp_generator(), z0, log_likelihood=mlp_critic(), weights=(0, 0, 0.3), steps=4)
    theirs = wf.refine(mlp_critic(), z0, mlp_generator(), integrator=wf.EulerMaruyama(0.3), steps=4)
    torch.testing.assert_close(ours.particles, theirs.particles, **F64)


def test_likelihood_and_prior_are_ddls(z0: Tensor) -> None:
    critic, generator, prior, h = mlp_critic(), mlp_generator(), wf.spaces.Normal(2), 0.08
    ours = wf.methods.gmi(
        generator,
        z0,
        log_likelihood=critic,
        weights=(0, 0, 1),
        integrator=wf.EulerMaruyama(h / 2, 0.1**2),
        latent_energy=wf.Prior(prior),
        space=prior,
        steps=9,
        seed=3,
    )
    theirs = wf.methods.ddls(critic, z0, generator, prior=prior, step_size=h, noise_scale=0.1, steps=9, seed=3)
    torch.testing.assert_close(ours.particles, theirs.particles, **F64)


def lnfp(generator: nn.Module, features: nn.Module, z: Tensor, real: Tensor, step: float, factor: float) -> Tensor:
    """One step of the kernel density flow, written out with every kernel and distance stored."""
    z = z.clone().requires_grad_()
    phi, phi_real = features(generator(z)), features(real).detach()

    def log_density(references: Tensor, leave_out: bool) -> Tensor:
        bandwidth2 = factor * torch.pdist(references).square().median()
        kernels = (-torch.cdist(phi, references).square() / bandwidth2).exp()
        if leave_out:
            kernels = kernels * (1 - torch.eye(len(z), dtype=z.dtype))
        return kernels.sum(dim=1).log()

    energy = log_density(phi.detach(), True) - log_density(phi_real, False)
    return (z - step * torch.autograd.grad(energy.sum(), z)[0]).detach()


@pytest.mark.parametrize("density", ["kernel density", "kernel ridge with a large ridge"])
def test_densities_alone_are_the_kernel_density_flow(z0: Tensor, density: str) -> None:
    generator, real = mlp_generator(), normal(21, seed=7) + 1
    features = nn.Sequential(nn.Linear(2, 5), nn.Tanh()).double().eval()
    rule = MedianBandwidth(0.2)
    kernel = wf.KernelDensity(rule) if density == "kernel density" else wf.KernelRidge(ridge=1e8, bandwidth=rule)
    ours = wf.methods.gmi(generator, z0, features=features, real=real, weights=(0.05, 0.05, 0), density=kernel, steps=5)
    z = z0
    for _ in range(5):
        z = lnfp(generator, features, z, real, step=0.05, factor=0.2)
    assert float((z - z0).abs().max()) > 0.1
    torch.testing.assert_close(ours.particles, z, rtol=1e-6, atol=1e-6)


def test_group_is_what_interacts(z0: Tensor) -> None:
    """Two groups of 8 are two runs of 8 with their own seeds."""
    seeds, rule = wf.sample_seeds(5, 16), wf.EulerMaruyama(1.0, 0.01)
    arguments = {"real": normal(20, seed=7), "weights": (0.1, 0.1, 0), "integrator": rule, "steps": 3}
    together = wf.methods.gmi(None, z0, batch_size=8, seed=5, **arguments)
    apart = [wf.methods.gmi(None, z0[s], seed=seeds[s], **arguments) for s in (slice(8), slice(8, 16))]
    torch.testing.assert_close(together.particles, torch.cat([r.particles for r in apart]), **F64)
    assert together.evaluations == 48
    whole = wf.methods.gmi(None, z0, batch_size=16, seed=5, **arguments)
    assert not torch.allclose(whole.particles, together.particles)


def test_groups_are_of_equal_size() -> None:
    """A batch of one more than batch_size leaves no particle alone."""
    sizes: list[int] = []
    z = normal(17)
    wf.methods.gmi(None, z, weights=(0.1, 0, 0), steps=1, batch_size=16, watch=lambda state: sizes.append(len(state.x)))
    assert sizes == [9, 8]


def test_generator_and_features_run_once_a_step(z0: Tensor) -> None:
    counts = {"generator": 0, "features": 0}

    def counted(name: str, module: nn.Module) -> nn.Module:
        module.register_forward_hook(lambda *_: counts.__setitem__(name, counts[name] + 1))
        return module

    generator, features = counted("generator", mlp_generator()), counted("features", nn.Linear(2, 4).double().eval())
    wf.methods.gmi(
        generator, z0, features=features, real=normal(20, 7), log_likelihood=mlp_critic(), steps=6, weights=(0.1,) * 3
    )
    # Once more each: the final samples, and the features of the real ones.
    assert counts == {"generator": 7, "features": 7}


def test_kept_features_of_real_samples_are_the_samples(z0: Tensor, tmp_path) -> None:
    real, features = normal(20, seed=7), nn.Linear(2, 4).double().eval()
    ReferenceFeatures.of(features, real, batch_size=6).save(tmp_path / "real.safetensors")
    kept = ReferenceFeatures.load(tmp_path / "real.safetensors")
    runs = [wf.methods.gmi(None, z0, features=features, real=r, weights=(0.1, 0.1, 0), steps=3) for r in (real, kept)]
    torch.testing.assert_close(runs[0].particles, runs[1].particles, **F64)


@pytest.mark.parametrize("density", [wf.KernelDensity(), wf.KernelRidge(ridge=10.0), wf.SteinScore(ridge=1.0)])
@pytest.mark.parametrize("rule", [wf.EulerMaruyama(1.0), wf.Heun(1.0), wf.Optimizer(torch.optim.SGD)], ids=str)
def test_particles_come_to_the_data(density: object, rule: object) -> None:
    """From N(0, 1/4) to N((2, 0), 1): the mean moves there and the spread grows."""
    z, real = normal(60) / 2, normal(80, seed=7) + torch.tensor([2.0, 0.0], dtype=torch.float64)
    start = (z.mean(0) - real.mean(0)).norm()
    rule = wf.Optimizer(lambda x: torch.optim.SGD(x, lr=1.0)) if isinstance(rule, wf.Optimizer) else rule
    x = wf.methods.gmi(None, z, real=real, density=density, weights=(0.05, 0.05, 0), integrator=rule, steps=25).samples
    assert (x.mean(0) - real.mean(0)).norm() < start / 2
    assert x.std() > z.std()


def test_repulsion_alone_spreads_and_attraction_alone_gathers(z0: Tensor) -> None:
    real = normal(30, seed=7)
    spread = wf.methods.gmi(None, z0, weights=(0.1, 0, 0), density=wf.KernelDensity(1.0), steps=10).samples
    gathered = wf.methods.gmi(None, z0, real=real, weights=(0, 0.1, 0), density=wf.KernelDensity(1.5), steps=10).samples
    assert spread.std() > 1.1 * z0.std()
    assert gathered.std() < 0.9 * z0.std()


def test_mollified_kernels_follow_the_seed_and_shrink_to_the_plain_kernel(z0: Tensor) -> None:
    arguments = {"real": normal(30, seed=7), "weights": (0.1, 0.1, 0), "steps": 3}

    def run(mollifier: float | tuple[float, ...], seed: int = 0) -> Tensor:
        return wf.methods.gmi(None, z0, density=wf.KernelDensity(1.0, mollifier), seed=seed, **arguments).particles

    assert torch.equal(run(0.3), run(0.3))
    assert not torch.allclose(run(0.3), run(0.3, seed=1))
    assert not torch.allclose(run(0.3), run((0.3, 0.1)))
    # Without log q only the real samples are shifted; they follow the seed too.
    arguments["weights"] = (0, 0.1, 0)
    assert not torch.allclose(run(0.3), run(0.3, seed=1))
    torch.testing.assert_close(run(0.3, seed=wf.sample_seeds(4, len(z0)).tolist()), run(0.3, seed=4), **F64)
    arguments["weights"] = (0.1, 0.1, 0)
    torch.testing.assert_close(run(1e-9), run(0.0), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(run((0.3, 0.3, 0.3)), run(0.3), **F64)


@pytest.mark.parametrize("weights", [(0.1, 0, 0), (0, 0.1, 0)])
def test_each_step_has_shifts_of_its_own_size_and_numbers(z0: Tensor, weights: tuple[float, float, float]) -> None:
    real, scales = normal(9, seed=4) + 1, (0.5, 0.5, 0.2)
    density = wf.KernelDensity(1.0, scales, draws=3)
    ours = wf.methods.gmi(None, z0, real=real, weights=weights, density=density, steps=4, seed=5).particles
    log_p = real_log_density(None, real, density, z0, seed=5)
    z, seeds = z0, wf.sample_seeds(5, len(z0))
    for step in range(4):
        z = z.detach().requires_grad_()
        shifts = [Noise(seeds, step).normal(z, stream=stream) for stream in (1, 2, 3)]
        references = torch.stack([z.detach() - scales[min(step, 2)] * shift for shift in shifts])
        kernels = (-(z[None, :, None] - references[:, None]).square().sum(dim=-1)).exp().mean(dim=0)
        log_q = (kernels * (1 - torch.eye(len(z), dtype=z.dtype))).sum(dim=1).log()
        energy = weights[0] * log_q - weights[1] * log_p(step)(z)
        z = z - torch.autograd.grad(energy.sum(), z)[0]
    torch.testing.assert_close(ours, z.detach(), **F64)


@pytest.mark.parametrize("integrator", [wf.MALA(0.1), wf.AdaptiveEuler()])
def test_integrators_that_reuse_energies_are_refused(z0: Tensor, integrator: wf.integrators.Integrator) -> None:
    with pytest.raises(ValueError, match="reuses the last step's energies"):
        wf.methods.gmi(None, z0, weights=(0.1, 0, 0), integrator=integrator)


@pytest.mark.parametrize("density", [wf.KernelDensity(), wf.KernelRidge(), wf.SteinScore(ridge=1.0)], ids=str)
@pytest.mark.parametrize("seen", ["features", "samples"])
def test_half_precision_of_the_networks_is_not_that_of_the_kernels(density: wf.densities.Density, seen: str) -> None:
    generator, critic, z = mlp_generator().float(), mlp_critic().float(), normal(40).float()
    features, real = (
        nn.Linear(2, 5).eval() if seen == "features" else nn.Identity().eval(),
        normal(60, seed=1).float() + 1,
    )

    def move(g: nn.Module, d: nn.Module, f: nn.Module, x: Tensor, y: Tensor | ReferenceFeatures) -> Tensor:
        options = {"weights": (0.1, 0.1, 0.2), "density": density, "steps": 3}
        return wf.methods.gmi(g, x, features=f, real=y, log_likelihood=d, **options).particles

    exact = move(generator, critic, features, z, real)
    scale = (exact - z).abs().max()
    with torch.autocast("cpu", torch.bfloat16):
        by_autocast = move(generator, critic, features, z, real)
    halves = [module.bfloat16() for module in (generator, critic, features)]
    in_half = move(*halves, z.bfloat16(), real.bfloat16())
    kept = move(*halves, z.bfloat16(), ReferenceFeatures.of(features, real.bfloat16()))
    assert float((by_autocast - exact).abs().max() / scale) < 0.15
    assert float((in_half.float() - exact).abs().max() / scale) < 0.15
    assert torch.equal(in_half, kept)


def test_lone_particle_is_refused(z0: Tensor) -> None:
    with pytest.raises(ValueError, match=r"lone particle.*2 or more"):
        wf.methods.gmi(None, z0[:1], real=normal(5), steps=2)
    wf.methods.gmi(None, z0[:1], real=normal(5), weights=(0, 0.1, 0), steps=2)


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize("size", [0, -1, 2.5, True, None])
def test_group_sizes_that_cannot_be(z0: Tensor, size: object) -> None:
    with pytest.raises((ValueError, TypeError), match=r"batch_size is .*at least 1"):
        wf.methods.gmi(None, z0, weights=(0.1, 0, 0), batch_size=size)


@pytest.mark.usefixtures("unchecked_annotations")
def test_real_samples_of_another_dtype_or_shape_are_refused(z0: Tensor) -> None:
    with pytest.raises(ValueError, match=r"float32.*float64"):
        wf.methods.gmi(None, z0, real=normal(9).float(), steps=2)
    with pytest.raises(ValueError, match="2 features and the references 3"):
        wf.methods.gmi(None, z0, real=normal(9, dim=3), steps=2)
    with pytest.raises(ValueError, match="cpu"):
        wf.methods.gmi(None, z0, real=normal(9).to("meta"), steps=2)


def test_mollified_kernel_needs_the_samples_themselves(z0: Tensor) -> None:
    with pytest.raises(ValueError, match=r"mollifier is 0\.1 and real are features"):
        wf.methods.gmi(None, z0, real=ReferenceFeatures(normal(9)), density=wf.KernelDensity(1.0, 0.1), steps=2)


def test_equal_particles_have_no_bandwidth() -> None:
    with pytest.raises(ValueError, match=r"bandwidth is 0\.0"):
        wf.methods.gmi(None, torch.zeros(8, 2), weights=(0.1, 0, 0), steps=2)


def test_features_in_train_mode_are_refused(z0: Tensor) -> None:
    with pytest.raises(ValueError, match="train mode"):
        wf.methods.gmi(None, z0, features=nn.BatchNorm1d(2).double(), weights=(0.1, 0, 0), steps=2)


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize("weights", [(0.1, 0.1), (0.1, math.nan, 0), 0.1, (0.1, "1", 0)])
def test_weights_that_cannot_be(z0: Tensor, weights: object) -> None:
    with pytest.raises((ValueError, TypeError), match="weights"):
        wf.methods.gmi(None, z0, real=normal(9), log_likelihood=mlp_critic(), weights=weights, steps=2)
