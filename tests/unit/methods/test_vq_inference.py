"""Discrete latents: the warm-up is a flow, the fine-tune goes code by code, and every vector ends as a code."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.integrators import Drift
from wasserflow.seeds import Noise

BATCH, CHANNELS, SHAPE = 4, 2, (2, 3)
POSITIONS = 6


def codebook(k: int = 9, spread: float = 1.0) -> wf.spaces.Codebook:
    generator = torch.Generator().manual_seed(2)
    return wf.spaces.Codebook(spread * torch.randn(k, CHANNELS, dtype=torch.float64, generator=generator), shape=SHAPE)


def decoder() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Tanh()).double().eval()


class Counted(nn.Module):
    """Counts the calls of a module."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.calls = inner, 0
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.inner(x)


def likelihood(x: Tensor) -> Tensor:
    """Highest at samples of 0.5, whatever their shape."""
    return -(x - 0.5).square().flatten(1).sum(1)


def start(seed: int = 0) -> Tensor:
    return codebook().sample(BATCH, seed=seed) + 0.3 * torch.randn(BATCH, CHANNELS, *SHAPE, dtype=torch.float64)


run = functools.partial(wf.methods.vq_inference, log_likelihood=likelihood)


def test_warm_up_is_the_flow_of_likelihood_and_penalty() -> None:
    z0, book, net, rule = start(), codebook(), decoder(), wf.EulerMaruyama(0.05, 0.1)
    r = run(net, z0, codebook=book, penalty=0.7, integrator=rule, steps=5, steps_per_code=0, seed=3)
    z, seeds = z0, wf.sample_seeds(3, BATCH)
    for step in range(5):
        leaf = z.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(likelihood(net(leaf)).sum(), leaf)
        drift = gradient - 0.7 * 2 * (z - book.quantise(z))
        z = z + 0.05 * drift + (2 * 0.05 * 0.1) ** 0.5 * Noise(seeds, step).normal(z)
    torch.testing.assert_close(r.particles, z)
    torch.testing.assert_close(r.samples, net(z).detach())
    assert r.evaluations == 5 * BATCH


def test_every_vector_is_a_code_after_the_fine_tune() -> None:
    r = run(decoder(), start(), codebook=codebook(), steps=3, steps_per_code=2)
    assert bool((codebook().distance(r.particles) == 0).all())
    assert r.steps.tolist() == [3 + 2 * POSITIONS] * BATCH
    assert r.evaluations == (3 + 2 * POSITIONS) * BATCH


@pytest.mark.parametrize("order", [None, [5, 0, 3, 1, 4, 2]])
def test_fine_tune_goes_position_by_position_in_its_order(order: list[int] | None) -> None:
    """Transcribed: each vector descends alone with the others as they are, then becomes its nearest code."""
    z0, book, net, rule = start(), codebook(), decoder(), wf.EulerMaruyama(0.2)
    options = {"codebook": book, "penalty": 0.1, "integrator": rule, "steps": 2}
    states: list[wf.State] = []
    r = run(net, z0, steps_per_code=3, order=order, watch=states.append, **options)
    z = run(net, z0, steps_per_code=0, **options).particles
    expected = []
    for position in order or range(POSITIONS):
        row, column = divmod(position, SHAPE[1])
        for _ in range(3):
            leaf = z.clone().requires_grad_()
            energy = 0.1 * (leaf - book.quantise(leaf)).square().sum() - likelihood(net(leaf)).sum()
            (gradient,) = torch.autograd.grad(energy, leaf)
            z = z.clone()
            z[:, :, row, column] -= 0.2 * gradient[:, :, row, column]
            expected.append(z)
        z = z.clone()
        z[:, :, row, column] = book.quantise(z[:, :, row, column])
    torch.testing.assert_close(r.particles, z)
    assert [state.step for state in states] == list(range(1, 2 + 3 * POSITIONS + 1))
    assert [state.evaluations for state in states] == [BATCH * state.step for state in states]
    for state, z in zip(states[2:], expected, strict=True):
        torch.testing.assert_close(state.x, z)


def test_other_order_other_codes() -> None:
    options = {"codebook": codebook(40), "penalty": 0.0, "integrator": wf.EulerMaruyama(0.3), "steps_per_code": 5}
    forwards = run(decoder(), start(), **options)
    backwards = run(decoder(), start(), order=list(range(POSITIONS))[::-1], **options)
    assert not torch.equal(forwards.particles, backwards.particles)


def test_penalty_keeps_the_warm_up_near_the_codes() -> None:
    book, options = codebook(), {"integrator": wf.EulerMaruyama(0.05), "steps": 60, "steps_per_code": 0}
    near, free = (run(decoder(), start(), codebook=book, penalty=alpha, **options).particles for alpha in (5.0, 0.0))
    assert book.distance(near).mean() < 0.3 * book.distance(free).mean()


def test_likelihood_rises_and_the_further_energy_counts() -> None:
    book, net = codebook(40), decoder()
    options = {"codebook": book, "penalty": 0.1, "integrator": wf.EulerMaruyama(0.1), "steps": 30, "steps_per_code": 3}
    z0 = book.sample(BATCH, seed=1)
    r = run(net, z0, **options)
    assert bool((likelihood(r.samples) > likelihood(net(z0))).all())
    against = run(net, z0, energy=likelihood, **options)
    assert likelihood(against.samples).mean() < likelihood(r.samples).mean()
    # likelihood + (-1) likelihood: nothing is left but the penalty, which codes do not feel.
    assert torch.equal(against.particles, z0)


def test_noise_of_each_position_and_sample_is_its_own() -> None:
    """With no force and one step a code, the moves before snapping are the noise itself."""
    z0, book = torch.zeros(BATCH, CHANNELS, *SHAPE, dtype=torch.float64), wf.spaces.Codebook(torch.zeros(1, 2).double())
    rule, states = wf.EulerMaruyama(0.5, 1.0), []
    options = {"codebook": book, "penalty": 0.0, "integrator": rule, "steps": 1, "steps_per_code": 1}
    wf.methods.vq_inference(None, z0, log_likelihood=lambda x: 0 * x.sum((1, 2, 3)), watch=states.append, **options)
    moves = [(state.x - states[0].x).flatten(2)[:, :, i] for i, state in enumerate(states[1:])]
    assert torch.stack(moves).unique().numel() == POSITIONS * BATCH * CHANNELS
    assert torch.stack([*moves, states[0].x.flatten(2)[:, :, 0]]).unique().numel() == (POSITIONS + 1) * BATCH * CHANNELS


class OneNumberASample:
    """Moves nothing, and keeps what it drew: a number a sample, as an acceptance takes."""

    def __init__(self) -> None:
        self.drawn: list[Tensor] = []

    def init(self, x: Tensor) -> wf.State:
        return wf.State(x)

    def step(self, state: wf.State, drift: Drift, noise: Noise) -> wf.State:
        self.drawn.append(noise.uniform(state.x[:, 0, 0, 0]))
        return state.moved(state.x, torch.zeros_like(state.x[:, 0, 0, 0]), evaluations=0)


def test_numbers_of_a_position_are_its_own_whenever_its_turn_comes() -> None:
    rules = [OneNumberASample(), OneNumberASample()]
    for rule, order in zip(rules, (None, list(range(POSITIONS))[::-1]), strict=True):
        run(None, start(), codebook=codebook(), integrator=rule, steps=2, steps_per_code=1, order=order)
    forwards, backwards = (torch.stack(rule.drawn) for rule in rules)
    assert forwards.unique().numel() == (2 + POSITIONS) * BATCH
    assert torch.equal(backwards[2:], forwards[2:].flip(0))


def test_sample_alone_is_the_sample_in_the_batch() -> None:
    z0, seeds = start(), [5, 2, 9, 2**40]
    options = {"codebook": codebook(40), "penalty": 0.2, "integrator": wf.EulerMaruyama(0.2, 0.2), "steps_per_code": 2}
    together = run(decoder(), z0, seed=seeds, **options)
    for i in range(BATCH):
        alone = run(decoder(), z0[i : i + 1], seed=seeds[i : i + 1], **options)
        torch.testing.assert_close(alone.particles[0], together.particles[i])
    again = run(decoder(), z0, seed=torch.Generator().manual_seed(1), **options)
    assert torch.equal(again.particles, run(decoder(), z0, seed=torch.Generator().manual_seed(1), **options).particles)
    assert not torch.equal(again.particles, together.particles)


def test_decoder_is_left_as_it_was_and_runs_once_a_step() -> None:
    net, z0 = Counted(decoder()), start()
    copy = z0.clone()
    run(net, z0, codebook=codebook(), steps=2, steps_per_code=1)
    assert net.calls == 2 + POSITIONS + 1
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert torch.equal(z0, copy)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"order": [0, 1, 2]}, "order"),
        ({"order": [0, 1, 2, 3, 4, 4]}, "order"),
        ({"penalty": -1.0}, "penalty"),
        ({"penalty": float("nan")}, "penalty"),
        ({"steps": 0}, "steps"),
        ({"steps_per_code": -1}, "steps"),
    ],
)
def test_refusals(changes: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        run(decoder(), start(), codebook=codebook(), **changes)


def test_latents_of_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="channels"):
        run(None, torch.zeros(2, 3, dtype=torch.float64), codebook=codebook())
