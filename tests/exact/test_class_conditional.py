"""Unconditional ratios composed with a classifier: the posterior of a mixture by hand, and every pairing's drift."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.potentials import LearnedRatio

MEANS = torch.tensor([[0.0, 0.0], [1.5, -0.5], [-1.0, 2.0]], dtype=torch.float64)
STDS = torch.tensor([0.8, 1.1, 0.6], dtype=torch.float64)
# (loss, divergence, f'(r) of the papers) of every pairing.
PAIRINGS = [
    (wf.least_squares, wf.Pearson(), lambda r: 2 * (r - 1)),
    (wf.logistic, wf.KL(), lambda r: r.log() + 1),
    (wf.logistic, wf.JensenShannon(), lambda r: (2 * r / (r + 1)).log()),
    (wf.logistic, wf.LogD(), lambda r: (r + 1).log() + 1),
    (wf.kl, wf.KL(), lambda r: r.log() + 1),
]
NAMES = [f"{type(loss).__name__}-{type(divergence).__name__}" for loss, divergence, _ in PAIRINGS]


def normal(x: Tensor, mean: Tensor, std: Tensor | float) -> Tensor:
    """The density of N(mean, std² I) in the plane."""
    return torch.exp(-((x - mean) ** 2).sum(1) / (2 * std**2)) / (2 * math.pi * std**2)


def of_class(x: Tensor, label: int) -> Tensor:
    return normal(x, MEANS[label], STDS[label])


def of_data(x: Tensor) -> Tensor:
    return sum(of_class(x, label) for label in range(3)) / 3


def of_particles(x: Tensor) -> Tensor:
    return normal(x, MEANS.new_tensor([0.5, 0.5]), 1.7)


class Bayes(nn.Module):
    """The classifier of the mixture, whose logits have a common term that no posterior depends on."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([of_class(x, label).log() for label in range(3)], dim=1) + x.sum(1, keepdim=True)


def points() -> Tensor:
    return torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def slope(of: Callable[[Tensor], Tensor]) -> Tensor:
    x = points().requires_grad_()
    return torch.autograd.grad(of(x).sum(), x)[0]


@pytest.mark.parametrize("label", range(3))
def test_the_log_ratio_is_that_of_the_class_to_the_mixture(label: int) -> None:
    log_ratio = wf.classifier_log_ratio(Bayes(), label, classes=3)
    truth = (of_class(points(), label) / of_data(points())).log()
    torch.testing.assert_close(log_ratio(points()), truth, rtol=1e-12, atol=1e-12)


def test_each_sample_may_have_its_own_class() -> None:
    labels = torch.tensor([0, 1, 2, 2, 1, 0, 1])
    truth = torch.stack([of_class(x[None], int(y)) / of_data(x[None]) for x, y in zip(points(), labels, strict=True)])
    torch.testing.assert_close(wf.classifier_log_ratio(Bayes(), labels, 3)(points()), truth.flatten().log())


@pytest.mark.parametrize("label", [0, 2])
@pytest.mark.parametrize("pairing", PAIRINGS[1:], ids=NAMES[1:])
def test_exact_ratios_compose_to_the_flow_towards_the_class(pairing: tuple, label: int) -> None:
    """At guidance 1 the energy's slope is that of f'(q / p(x|y)), with all densities written down."""
    loss, divergence, f_prime = pairing

    def network(x: Tensor) -> Tensor:
        return (of_particles(x) / of_data(x)).log()

    towards = wf.classifier_log_ratio(Bayes(), label, classes=3)
    expected = slope(lambda x: f_prime(of_particles(x) / of_class(x, label)))
    torch.testing.assert_close(slope(LearnedRatio(divergence, loss, network, towards)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("guidance", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("pairing", PAIRINGS, ids=NAMES)
def test_the_drift_of_a_weighted_classifier(pairing: tuple, guidance: float) -> None:
    """Against autograd of f'(r (3 p(y|x))^-φ), for ratios themselves of f'(r - φ log 3 p(y|x))."""
    loss, divergence, f_prime = pairing

    def network(x: Tensor) -> Tensor:
        return x.square().sum(1) - x[:, 0].sin() / 2 - 0.4

    def posed(x: Tensor) -> Tensor:
        posterior = of_class(x, 1) / of_data(x)
        if loss is wf.least_squares:
            return f_prime(network(x) - guidance * posterior.log())
        return f_prime(network(x).exp() * posterior**-guidance)

    towards = wf.classifier_log_ratio(Bayes(), 1, classes=3)
    ours = slope(LearnedRatio(divergence, loss, network, towards, guidance))
    torch.testing.assert_close(ours, slope(posed), rtol=1e-9, atol=1e-9)


def test_with_kl_the_drift_is_the_published_one() -> None:
    """That of log r - φ log p(y|x)."""

    def published(x: Tensor) -> Tensor:
        return x.square().sum(1) - 0.1 * Bayes()(x).softmax(1)[:, 2].log()

    towards = wf.classifier_log_ratio(Bayes(), 2, classes=3)
    potential = LearnedRatio(wf.KL(), wf.logistic, lambda x: x.square().sum(1), towards, guidance=0.1)
    torch.testing.assert_close(slope(potential), slope(published))


def test_ratios_themselves_compose_to_first_order() -> None:
    """About r = 1: the error falls with the square of the distance."""

    def product(of: Callable[[Tensor], Tensor], guidance: float) -> Callable[[Tensor], Tensor]:
        return lambda x: 2 * of(x) * (of_class(x, 2) / of_data(x)) ** -guidance

    towards, errors = wf.classifier_log_ratio(Bayes(), 2, classes=3), []
    for small in (1e-3, 5e-4):
        near_one = lambda x, small=small: 1 + small * x.sin().sum(1)  # noqa: E731
        ours = slope(LearnedRatio(wf.Pearson(), wf.least_squares, near_one, towards, guidance=small))
        errors.append((ours - slope(product(near_one, small))).norm().item())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


def test_generate_follows_the_composed_ratio() -> None:
    torch.manual_seed(0)
    network = wf.models.mlp_ratio(width=8).double()
    model = wf.FlowGuidedRatio(network, wf.spaces.Normal(2), wf.KL(), wf.logistic, flow_steps=3, step_size=0.2)
    x0 = wf.spaces.Normal(2).sample(5, seed=1, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0, 1])
    towards = wf.classifier_log_ratio(Bayes(), labels, classes=3)
    potential = LearnedRatio(wf.KL(), wf.logistic, model.sampler, towards, guidance=0.3)
    expected = wf.flow(x0, potential, model.integrator, steps=9, seed=4).x
    moved = model.transport(x0, extra_steps=6, seed=4, condition=towards, guidance=0.3)
    torch.testing.assert_close(moved, expected)
    assert not torch.allclose(moved, model.transport(x0, extra_steps=6, seed=4))
    model = model.float()
    one = wf.classifier_log_ratio(nn.Linear(2, 3), 1, classes=3)
    start = wf.spaces.Normal(2).sample(4, seed=2)
    torch.testing.assert_close(
        model.generate(4, extra_steps=1, seed=2, condition=one, guidance=0.5),
        model.transport(start, extra_steps=1, seed=2, condition=one, guidance=0.5),
    )


def test_guidance_may_end_before_the_flow() -> None:
    torch.manual_seed(0)
    source = wf.spaces.Normal(2)
    model = wf.FlowGuidedRatio(wf.models.mlp_ratio(width=8), source, wf.KL(), wf.logistic, flow_steps=3, step_size=0.2)
    options = {"condition": wf.classifier_log_ratio(nn.Linear(2, 3), 1, classes=3), "guidance": 2.0}
    x0, seeds, steps = source.sample(4, seed=1), wf.sample_seeds(5, 4), []
    moved = model.transport(x0, 4, seeds, guided_steps=2, watch=lambda state: steps.append(state.step), **options)
    led = wf.flow(x0, model.potential(None, **options), model.integrator, 2, seed=seeds).x
    torch.testing.assert_close(moved, wf.flow(led, model.potential(), model.integrator, 5, seed=seeds.bitwise_not()).x)
    assert steps == list(range(1, 8))
    for all_steps in (None, 7, 100):
        whole = model.transport(x0, 4, seeds, guided_steps=all_steps, **options)
        assert torch.equal(whole, model.transport(x0, 4, seeds, **options))
    assert torch.equal(model.transport(x0, 4, seeds, guided_steps=2), model.transport(x0, 4, seeds))
    with pytest.raises(ValueError, match="guided_steps is -1; give 0 or more"):
        model.transport(x0, guided_steps=-1, **options)
