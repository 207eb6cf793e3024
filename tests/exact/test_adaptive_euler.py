"""Steps of controlled size: by hand on a line, along an exact solution, and free of the energy's units."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice, pairwise

import pytest
import torch
from torch import Tensor

import wasserflow as wf

START = torch.tensor([[3.0, -4.0], [0.3, 0.4]], dtype=torch.float64)
F64 = {"rtol": 1e-12, "atol": 1e-12}


def rms(x: Tensor) -> Tensor:
    return x.square().mean(dim=1, keepdim=True).sqrt()


def test_two_steps_by_hand() -> None:
    """v = -x, so the error of a step h is h² rms(x) / 2 and the first h is tolerance / rms(x)."""
    tolerance = 0.1
    one, two = islice(wf.iterate(START, wf.GaussianPrior(), wf.AdaptiveEuler(tolerance)), 2)
    first = tolerance / rms(START)
    x1 = START * (1 - first)
    torch.testing.assert_close(one.x, x1, **F64)
    error = first**2 * rms(START) / 2
    assert (error < tolerance).all()
    second = first * (0.9 * (tolerance / error).sqrt()).clamp(0.2, 5)
    torch.testing.assert_close(two.x, x1 * (1 - second), **F64)
    torch.testing.assert_close(two.memory.time, (first + second)[:, 0], **F64)
    torch.testing.assert_close(two.energy, x1.square().sum(1) / 2, **F64)
    assert (one.evaluations, two.evaluations) == (4, 6)


def test_a_step_too_far_is_tried_again_from_where_it_began() -> None:
    """A wall at 1: flat before it, so that the first step runs into it."""

    def walled(x: Tensor) -> Tensor:
        return -x[:, 0] + 1e4 * (x[:, 0] - 1).clamp(min=0) ** 2

    states = list(islice(wf.iterate(torch.tensor([[0.9]]), walled, wf.AdaptiveEuler(0.2)), 12))
    where = torch.stack([state.x[0, 0] for state in states])
    assert where[0] == 0.9, "the first step of 0.2 meets the wall and is not taken"
    assert (where < 1.01).all()
    assert where[-1] > 0.95
    sizes = torch.stack([state.memory.step_size[0] for state in states])
    assert sizes[0] == pytest.approx(0.2 * 0.2)
    assert states[0].memory.time == 0, "what was not taken does not count"


@pytest.mark.parametrize(
    "barrier", [lambda gap: -0.01 * gap.log(), lambda gap: -0.1 * gap.sqrt()], ids=["logarithm", "root"]
)
def test_undefined_and_infinite_energies_are_steps_too_far(barrier: Callable[[Tensor], Tensor]) -> None:
    """Beyond 1 the barrier is no number, and nor is the slope of a root."""
    state = wf.flow(torch.tensor([[0.5]]), lambda x: -x[:, 0] + barrier(1 - x[:, 0]), wf.AdaptiveEuler(0.3), steps=60)
    assert float(state.x) == pytest.approx(0.99, abs=0.02)
    assert float(state.x) < 1


def test_particles_that_nothing_pulls_stay_for_a_time_that_is_a_number() -> None:
    x0 = torch.ones(2, 1)
    state = wf.flow(x0, lambda x: 0 * x[:, 0], wf.AdaptiveEuler(), steps=60)
    assert torch.equal(state.x, x0)
    assert bool(state.memory.time.isfinite().all())


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5])
def test_the_exact_flow_is_followed_as_closely_as_asked(tolerance: float) -> None:
    """x(t) = x0 exp(-t): every step errs by at most the tolerance and the flow forgets, so do all of them together."""
    states = islice(wf.iterate(START, wf.GaussianPrior(), wf.AdaptiveEuler(tolerance)), 2_000)
    state = next(s for s in states if (s.memory.time > 0.5).all())
    exact = START * torch.exp(-state.memory.time)[:, None]
    error = rms(state.x - exact)
    steps = torch.tensor(float(state.step))
    assert (error < tolerance * steps).all()
    assert (error > 0).all()


def test_the_path_does_not_know_the_units_of_the_energy() -> None:
    def energy(scale: float) -> wf.potentials.Energy:
        return lambda x: scale * (x.square().sum(1) / 2 + x[:, 0].sin())

    paths = [
        [state.x for state in islice(wf.iterate(START, energy(scale), wf.AdaptiveEuler(0.05)), 10)]
        for scale in (1.0, 1024.0)
    ]
    for one, other in zip(*paths, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_a_space_that_moves_particles_is_looked_at_again() -> None:
    """On the circle the velocity is that of the projected point: the flow ends about the lowest point of the circle."""
    circle = wf.spaces.Sphere(2)
    x0 = circle.project(START)
    states = list(islice(wf.iterate(x0, lambda x: x[:, 0], wf.AdaptiveEuler(0.01), space=circle), 200))
    torch.testing.assert_close(states[-1].x, torch.tensor([[-1.0, 0.0]] * 2, dtype=torch.float64), atol=0.02, rtol=0)
    for before, after in pairwise(states):
        torch.testing.assert_close(after.energy, before.x[:, 0], **F64)


def test_a_space_that_moves_particles_leaves_their_time_and_their_step_sizes() -> None:
    """On the circle -dx₀/dt = 1 - x₀², so x₀(t) = -tanh(t) from (0, 1)."""
    circle, x0 = wf.spaces.Sphere(2), torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    states = list(islice(wf.iterate(x0, lambda x: x[:, 0], wf.AdaptiveEuler(0.01), space=circle), 15))
    for state in states:
        torch.testing.assert_close(state.x[:, 0], -state.memory.time.tanh(), atol=0.05, rtol=0)
    assert float(states[-1].memory.time) > 1.5, "steps grow: 15 as long as the first would be a time of 0.2"


@pytest.mark.parametrize("tolerance", [0.0, -1.0, math.inf, math.nan])
def test_tolerances_that_cannot_be(tolerance: float) -> None:
    with pytest.raises(ValueError, match=r"tolerance is .*positive"):
        wf.AdaptiveEuler(tolerance)
