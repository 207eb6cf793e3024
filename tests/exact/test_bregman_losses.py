"""Losses of density ratios: closed forms, their least point, what their outputs mean, and what does not go together."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from wasserflow.potentials import LearnedRatio

LOSSES = {"least_squares": wf.least_squares, "logistic": wf.logistic, "kl": wf.kl}
# (loss, divergence, f'(r) of the papers) of every pairing.
PAIRINGS = [
    (wf.least_squares, wf.Pearson(), lambda r: 2 * (r - 1)),
    (wf.logistic, wf.KL(), lambda r: r.log() + 1),
    (wf.logistic, wf.JensenShannon(), lambda r: (2 * r / (r + 1)).log()),
    (wf.logistic, wf.LogD(), lambda r: (r + 1).log() + 1),
    (wf.kl, wf.KL(), lambda r: r.log() + 1),
]


def generating(name: str, r: Tensor) -> Tensor:
    """g of the Bregman divergence."""
    match name:
        case "least_squares":
            return (r - 1).square() / 2
        case "logistic":
            return r * r.log() - (1 + r) * (1 + r).log()
    return r * r.log() - r


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_bregman_divergences(name: str) -> None:
    """E_p[g'(r) r - g(r)] - E_q[g'(r)], with g' by autograd in float64, up to what does not depend on the network."""
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for size in (7, 4):
        r = torch.rand(size, generator=generator, dtype=torch.float64).add_(0.1).requires_grad_()
        (slope,) = torch.autograd.grad(generating(name, r).sum(), r)
        r = r.detach()
        pairs.append((r, slope, generating(name, r)))
    (on_data, data_slope, data_value), (on_particles, particle_slope, _) = pairs
    bregman = (data_slope * on_data - data_value).mean() - particle_slope.mean()
    constant = {"least_squares": -0.5 + 1.0, "logistic": 0.0, "kl": 0.0}[name]
    output = (lambda r: r) if name == "least_squares" else torch.log
    ours = LOSSES[name](output(on_data), output(on_particles))
    torch.testing.assert_close(ours + constant, bregman, rtol=1e-12, atol=1e-12)


def quadrature() -> tuple[Tensor, Tensor, Tensor]:
    """A grid with the densities of data N(0.3, 0.8²) and particles N(-0.5, 0.7²), times its spacing."""
    x = torch.linspace(-6, 6, 4001, dtype=torch.float64)
    densities = [
        torch.exp(-(((x - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi)) * (x[1] - x[0])
        for mean, std in ((0.3, 0.8), (-0.5, 0.7))
    ]
    return x, *densities


@pytest.mark.parametrize("name", LOSSES)
def test_the_least_loss_is_at_the_true_ratio(name: str) -> None:
    """Whatever direction the output is changed in: slope 0 and curvature above 0 at r = q / p."""
    x, p, q = quadrature()
    inside = x.abs() < 2.5
    truth = (q / p) if name == "least_squares" else (q / p).log()
    for direction in (torch.ones_like(x), x, x.cos(), x.sin()):
        direction = torch.where(inside, direction, 0.0)
        step = torch.zeros((), dtype=torch.float64, requires_grad=True)
        output = truth + step * direction
        # Expectations as means over a weighted grid: each loss is a mean of a function of outputs.
        data = torch.stack([LOSSES[name](o[None], torch.zeros(1).double()) for o in output[inside][::40]])
        nothing = LOSSES[name](torch.zeros(1).double(), torch.zeros(1).double())
        particles = torch.stack([LOSSES[name](torch.zeros(1).double(), o[None]) for o in output[inside][::40]])
        loss = (p[inside][::40] * (data - nothing)).sum() + (q[inside][::40] * (particles - nothing)).sum()
        (slope,) = torch.autograd.grad(loss, step, create_graph=True)
        (curvature,) = torch.autograd.grad(slope, step)
        assert abs(slope.item()) < 1e-12
        assert curvature.item() > 1e-4


@pytest.mark.parametrize("name", LOSSES)
def test_a_fit_finds_the_ratio_of_two_gaussians(name: str) -> None:
    """log r is quadratic in x; its three coefficients are known."""
    generator = torch.Generator().manual_seed(1)
    data = 0.3 + 0.8 * torch.randn(40_000, generator=generator, dtype=torch.float64)
    particles = -0.5 + 0.7 * torch.randn(40_000, generator=generator, dtype=torch.float64)
    a, b = 1 / 0.7**2, 1 / 0.8**2
    truth = torch.tensor(
        [math.log(0.8 / 0.7) - 0.25 * a / 2 + 0.09 * b / 2, -0.5 * a - 0.3 * b, (b - a) / 2], dtype=torch.float64
    )
    coefficients = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([coefficients], max_iter=200, line_search_fn="strong_wolfe")

    def output(x: Tensor) -> Tensor:
        log_r = coefficients[0] + coefficients[1] * x + coefficients[2] * x**2
        return log_r.exp() if name == "least_squares" else log_r

    def closure() -> Tensor:
        solver.zero_grad()
        loss = LOSSES[name](output(data), output(particles))
        loss.backward()
        return loss

    solver.step(closure)
    torch.testing.assert_close(coefficients.detach(), truth, rtol=0, atol=0.08)


@pytest.mark.parametrize("pairing", PAIRINGS, ids=lambda p: f"{type(p[0]).__name__}-{type(p[1]).__name__}")
def test_the_drift_is_that_of_f_prime(pairing: tuple) -> None:
    """Against autograd of the papers' f'(r), with r computed from the output in float64."""
    loss, divergence, f_prime = pairing
    x = torch.randn(9, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def network(x: Tensor) -> Tensor:
        return (x.square().sum(1) - x[:, 0].sin()) / 2 + 0.3

    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    (drift,) = torch.autograd.grad(LearnedRatio(divergence, loss, network)(ours).sum(), ours)
    ratio = network(theirs) if loss is wf.least_squares else network(theirs).exp()
    (expected,) = torch.autograd.grad(f_prime(ratio).sum(), theirs)
    torch.testing.assert_close(drift, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(loss.ratio(network(x)), ratio.detach())


def test_a_least_squares_network_may_be_negative() -> None:
    x = torch.tensor([[-1.0, 0.0]], requires_grad=True)
    (drift,) = torch.autograd.grad(LearnedRatio(wf.Pearson(), wf.least_squares, lambda x: x[:, 0])(x).sum(), x)
    assert drift.tolist() == [[2.0, 0.0]]


@pytest.mark.parametrize("divergence", [wf.KL(), wf.JensenShannon(), wf.LogD(), wf.ReverseKL(), wf.Hellinger()])
def test_log_divergences_are_refused_for_least_squares(divergence: object, unchecked_annotations: None) -> None:
    name = type(divergence).__name__
    with pytest.raises(TypeError, match=f"{name} does not go with least_squares.* use Pearson .* {name} with logistic"):
        LearnedRatio(divergence, wf.least_squares, lambda x: x.sum(1))
    with pytest.raises(TypeError, match=f"{name} does not go with least_squares"):
        wf.least_squares.first_variation(divergence, torch.ones(2))  # type: ignore[arg-type]


def test_what_is_no_divergence_is_refused(unchecked_annotations: None) -> None:
    for loss in (wf.logistic, wf.kl):
        with pytest.raises(TypeError, match=r"KL is no f-divergence; give KL\(\)"):
            LearnedRatio(wf.KL, loss, lambda x: x.sum(1))  # type: ignore[arg-type]


def test_logistic_is_finite_where_exponentials_are_not() -> None:
    output = torch.tensor([-300.0, 300.0], requires_grad=True)
    loss = wf.logistic(output, output)
    assert loss.item() == 300.0
    (slope,) = torch.autograd.grad(loss, output)
    assert slope.tolist() == [-0.5, 0.5]
    for divergence in (wf.KL(), wf.JensenShannon(), wf.LogD()):
        assert wf.logistic.first_variation(divergence, output).isfinite().all()
