"""MALA has the target as its exact invariant law at any step size; the unadjusted chain has not."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm
from torch import Tensor

import wasserflow as wf
from toys import draw_from, drift_of, numeric_cdf
from wasserflow.seeds import Noise

ALPHA = 1e-5
N = 20_000
LOW, HIGH = -12.0, 14.0
BIG_STEP = 0.5  # twice the narrow component's variance: far outside the unadjusted chain's comfort


def mixture(x: Tensor) -> Tensor:
    """-log of 0.4 N(-1.5, 0.5^2) + 0.6 N(1, 1): skewed, two modes, curvatures a factor of four apart."""
    x = x.squeeze(1)
    narrow = np.log(0.4 / 0.5) - ((x + 1.5) / 0.5).square() / 2
    wide = np.log(0.6) - (x - 1).square() / 2
    return -torch.logaddexp(narrow, wide)


def target_cdf(temperature: float = 1.0):
    return numeric_cdf(lambda g: mixture(torch.from_numpy(g)[:, None]).numpy() / temperature, LOW, HIGH)


def run(integrator: object, x0: Tensor, steps: int, seed: int) -> np.ndarray:
    return wf.flow(x0, mixture, integrator, steps=steps, seed=seed).x.squeeze(1).numpy()


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_target_is_invariant_at_a_large_step(temperature: float) -> None:
    cdf = target_cdf(temperature)
    x = run(wf.MALA(BIG_STEP, temperature), draw_from(cdf, LOW, HIGH, N, seed=1), steps=25, seed=21)
    assert kstest(x, cdf).pvalue > ALPHA


def test_unadjusted_chain_leaves_the_target_at_the_same_step() -> None:
    """The contrast: without accept/reject the same run is rejected, so the test above has teeth."""
    cdf = target_cdf()
    x = run(wf.EulerMaruyama(BIG_STEP, 1.0), draw_from(cdf, LOW, HIGH, N, seed=1), steps=25, seed=21)
    assert kstest(x, cdf).pvalue < 1e-12


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_chain_reaches_the_target_from_elsewhere(temperature: float) -> None:
    x0 = torch.full((N, 1), 3.0, dtype=torch.float64)
    x = run(wf.MALA(BIG_STEP, temperature), x0, steps=250, seed=22)
    assert kstest(x, target_cdf(temperature)).pvalue > ALPHA


def test_two_dimensions_accept_on_the_whole_energy() -> None:
    """A banana: a from the mixture, b given a from N(a^2 / 3, 0.4^2). Both laws and their independence must hold."""

    def banana(x: Tensor) -> Tensor:
        return mixture(x[:, :1]) + ((x[:, 1] - x[:, 0].square() / 3) / 0.4).square() / 2

    a = draw_from(target_cdf(), LOW, HIGH, N, seed=2)
    b = a.square() / 3 + 0.4 * torch.randn(N, 1, dtype=torch.float64)
    x = wf.flow(torch.cat([a, b], 1), banana, wf.MALA(0.15, 1.0), steps=30, seed=23).x
    residual = (x[:, 1] - x[:, 0].square() / 3) / 0.4
    assert kstest(x[:, 0].numpy(), target_cdf()).pvalue > ALPHA
    assert kstest(residual.numpy(), norm.cdf).pvalue > ALPHA
    assert abs(float(torch.corrcoef(torch.stack([x[:, 0], residual]))[0, 1])) < 4.5 / N**0.5


def test_rejected_samples_stay_and_accepted_ones_are_the_proposal() -> None:
    x0 = draw_from(target_cdf(), LOW, HIGH, 500, seed=3)
    drift, noise = drift_of(mixture), Noise(wf.sample_seeds(4, 500), 0)
    integrator = wf.MALA(BIG_STEP, 1.0)
    state = integrator.step(integrator.init(x0), drift, noise)
    proposal = wf.EulerMaruyama(BIG_STEP, 1.0)
    moved = proposal.step(proposal.init(x0), drift, noise).x
    accepted = state.memory.accepted
    assert accepted.dtype == torch.bool
    assert accepted.shape == (500,)
    assert 0.2 < float(accepted.double().mean()) < 0.95
    assert torch.equal(state.x[~accepted], x0[~accepted])
    torch.testing.assert_close(state.x[accepted], moved[accepted], rtol=1e-12, atol=1e-12)


def test_acceptance_rate_is_the_metropolis_one() -> None:
    """On N(0, 1) the mean acceptance of one stationary step is an integral; do it by plain Monte Carlo."""
    n, h = 100_000, 1.2
    rng = np.random.default_rng(5)
    x = rng.standard_normal(n)
    y = x - h * x + np.sqrt(2 * h) * rng.standard_normal(n)

    def log_proposal(to: np.ndarray, start: np.ndarray) -> np.ndarray:
        return -((to - (1 - h) * start) ** 2) / (4 * h)

    log_ratio = -(y**2) / 2 + x**2 / 2 + log_proposal(x, y) - log_proposal(y, x)
    expected = float(np.minimum(1, np.exp(log_ratio)).mean())
    states = islice(wf.iterate(torch.from_numpy(x)[:, None], lambda x: x.square().sum(1) / 2, wf.MALA(h), seed=6), 1)
    (state,) = states
    rate = float(state.memory.accepted.double().mean())
    assert abs(rate - expected) < 5 * np.sqrt(2 * expected * (1 - expected) / n)


def test_the_method_reports_the_share_of_all_its_steps() -> None:
    prior, seen = wf.spaces.Normal(2), []

    def watch(state: wf.State) -> None:
        seen.append(state.memory.accepted.double().mean())

    z0 = prior.sample(50, seed=1)
    r = wf.methods.mala(lambda x: -x.square().sum(1), z0, None, prior, step_size=0.5, steps=7, watch=watch)
    assert r.acceptance == pytest.approx(float(torch.stack(seen).mean()))
    assert 0.2 < r.acceptance < 0.95
    assert len({float(share) for share in seen}) > 1
    assert wf.refine(lambda x: -x.square().sum(1), z0, integrator=wf.MALA(0.5), steps=2).acceptance is not None
    assert wf.refine(lambda x: -x.square().sum(1), z0, steps=2).acceptance is None


def test_a_prior_on_a_surface_is_refused() -> None:
    """The proposals would leave the sphere, and what was brought back would no longer be what was accepted."""
    sphere = wf.spaces.Sphere(3)
    with pytest.raises(ValueError, match="the space moved particles"):
        wf.methods.mala(lambda x: 3 * x[:, 2], sphere.sample(20), None, sphere, steps=5)
