"""A flow that leaves the finite numbers says which sample and which step, and keeps the last finite state."""

from __future__ import annotations

import math
from itertools import islice

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from calls import integrators, particles
from toys import BlowsUp

N, SAMPLE, CALL = 20, 13, 7
ONE_CALL_A_STEP = {"EulerMaruyama", "Optimizer"}


def run(critic: BlowsUp, name: str) -> tuple[wf.FlowDiverged, list[wf.State]]:
    states: list[wf.State] = []
    with pytest.raises(wf.FlowDiverged) as raised:
        states.extend(islice(wf.iterate(particles(n=N), lambda x: -critic(x), integrators()[name], seed=0), 20))
    return raised.value, states


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", sorted(ONE_CALL_A_STEP))
def test_sample_and_step_are_named_and_the_last_state_is_kept(name: str, value: float) -> None:
    """The seventh call is that of the step to state 7; state 6 was the last finite one."""
    error, states = run(BlowsUp(SAMPLE, CALL, value), name)
    assert isinstance(error, ValueError)
    numbers = [int(word) for word in "".join(c if c.isdigit() else " " for c in str(error)).split()]
    assert SAMPLE in numbers
    assert CALL in numbers
    assert not set(numbers) - {SAMPLE, CALL}, f"other numbers in {error}"
    assert error.state.step == CALL - 1
    assert bool(error.state.x.isfinite().all())
    assert torch.equal(error.state.x, states[-1].x)
    assert len(states) == CALL - 1


def test_first_step_keeps_the_start() -> None:
    error, states = run(BlowsUp(0, 1), "EulerMaruyama")
    assert error.state.step == 0
    assert torch.equal(error.state.x, particles(n=N))
    assert states == []


def test_kept_state_carries_no_graph() -> None:
    x0 = particles().requires_grad_()
    with pytest.raises(wf.FlowDiverged) as raised:
        wf.flow(x0, BlowsUp(0, 1), wf.EulerMaruyama(0.1), steps=1)
    assert not raised.value.state.x.requires_grad


def test_heun_notices_a_bad_predictor() -> None:
    """The energy at the predictor is thrown away, its gradient is not: positions are checked too."""

    def wall(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] < 0, torch.nan * x[:, 0], x[:, 0] * 5)

    x0 = torch.tensor([[3.0], [0.4], [2.0]], dtype=torch.float64)
    with pytest.raises(wf.FlowDiverged, match=r"\b1\b") as raised:
        wf.flow(x0, wall, wf.Heun(0.1), steps=3)
    assert torch.equal(raised.value.state.x, x0)


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_mala_does_not_reject_an_undefined_proposal(value: float) -> None:
    """The seventh call is that of the proposal of step 6: state 5 was the last finite one."""
    error, states = run(BlowsUp(SAMPLE, CALL, -value), "MALA")
    assert f"sample {SAMPLE} " in str(error)
    assert error.state.step == len(states) == CALL - 2
    assert torch.equal(error.state.x, states[-1].x)


def test_mala_notices_nan_gradients_at_a_proposal() -> None:
    """Below 0 the energy is finite and its gradient is not: 0 times the slope of a square root at 0."""

    def kink(x: Tensor) -> Tensor:
        return (x.square() / 2 + 0 * (x * (x > 0)).sqrt()).sum(1)

    x0 = torch.ones(20, 1)
    with pytest.raises(wf.FlowDiverged) as raised:
        wf.flow(x0, kink, wf.MALA(1.0), steps=1)
    assert torch.equal(raised.value.state.x, x0)


def test_mala_rejects_what_is_outside_the_support() -> None:
    def half_line(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0, x[:, 0], math.inf)

    x = wf.flow(torch.full((50, 1), 0.1), half_line, wf.MALA(0.5), steps=20).x
    assert bool((x > 0).all())


def test_positions_that_overflow_are_noticed_while_the_energy_is_finite() -> None:
    """The energy is that of the step's start: finite; the step itself leaves float32."""
    x0 = torch.tensor([[1.0], [3e38]])
    with pytest.raises(wf.FlowDiverged, match=r"\b1\b") as raised:
        wf.flow(x0, lambda x: -x.sum(1), wf.EulerMaruyama(3e38), steps=1)
    assert torch.equal(raised.value.state.x, x0)


def test_nan_gradients_of_finite_energies_are_noticed() -> None:
    x0 = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    with pytest.raises(wf.FlowDiverged, match=r"\b1\b"):
        wf.flow(x0, lambda x: (x.square()).sqrt().sum(1) * (x.square().sum(1) + 0.0).sqrt(), wf.EulerMaruyama(0.1))


@pytest.mark.parametrize("steps_before", [1, 4])
def test_too_large_a_step_diverges_with_the_state_before_it(steps_before: int) -> None:
    """x <- x - h x^3 squares itself away; the state kept is the last finite one, whatever the step."""
    x0 = torch.full((3, 1), 0.1, dtype=torch.float32)
    x0[1] = {1: 1e16, 4: 60.0}[steps_before]
    with pytest.raises(wf.FlowDiverged, match=r"sample 1\b") as raised:
        wf.flow(x0, lambda x: (x**4).sum(1) / 4, wf.EulerMaruyama(1.0), steps=50)
    assert bool(raised.value.state.x.isfinite().all())
    assert raised.value.state.step < 6


def test_refine_passes_the_error_on() -> None:
    with pytest.raises(wf.FlowDiverged) as raised:
        wf.refine(BlowsUp(2, 3), particles(), steps=10)
    assert raised.value.state.step == 2
