"""The loop: a plain generator over states."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from torch import Tensor

import wasserflow as wf

X0 = torch.tensor([[2.0, -1.0], [0.5, 4.0]], dtype=torch.float64)


def test_iterate_is_lazy_endless_and_counts_from_one() -> None:
    calls = []

    def energy(x: Tensor) -> Tensor:
        calls.append(1)
        return x.square().sum(1) / 2

    states = wf.iterate(X0, energy, wf.EulerMaruyama(0.5))
    assert calls == []
    assert [next(states).step for _ in range(3)] == [1, 2, 3]
    assert len(calls) == 3
    assert next(islice(states, 200, None)).step == 204


def test_states_by_hand() -> None:
    """x <- x / 2; the energy is the one before the step."""
    first, second = islice(wf.iterate(X0, wf.GaussianPrior(), wf.EulerMaruyama(0.5)), 2)
    assert torch.equal(first.x, X0 / 2)
    assert torch.equal(second.x, X0 / 4)
    assert first.energy.tolist() == [2.5, 8.125]
    assert second.energy.tolist() == [0.625, 2.03125]
    assert (first.evaluations, second.evaluations) == (2, 4)


def test_flow_is_the_last_state_of_iterate() -> None:
    integrator = wf.EulerMaruyama(0.1, 0.3)
    states = list(islice(wf.iterate(X0, wf.GaussianPrior(), integrator, seed=2), 6))
    last = wf.flow(X0, wf.GaussianPrior(), integrator, steps=6, seed=2)
    assert torch.equal(last.x, states[-1].x)
    assert torch.equal(last.energy, states[-1].energy)
    assert (last.step, last.evaluations) == (6, 12)


def test_published_default_is_twenty_five_steps() -> None:
    assert wf.flow(X0, wf.GaussianPrior(), wf.EulerMaruyama(0.1)).step == 25


def test_space_projects_after_and_bends_before() -> None:
    """On the circle the radial pull vanishes and the step returns to the circle."""
    circle, start = wf.spaces.Sphere(2), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    state = wf.flow(start, lambda x: 5 * x[:, 0] - x[:, 1], wf.EulerMaruyama(0.5), steps=1, space=circle)
    # The velocity (-5, 1) has the tangent part (0, 1): the step reaches (1, 0.5) before it is scaled back.
    torch.testing.assert_close(state.x, torch.tensor([[1.0, 0.5]], dtype=torch.float64) / 1.25**0.5)


def test_plain_functions_are_potentials() -> None:
    assert torch.equal(wf.flow(X0, lambda x: x.sum(1), wf.EulerMaruyama(1.0), steps=2).x, X0 - 2)


def test_potential_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2,\)"):
        wf.flow(X0, lambda x: x, wf.EulerMaruyama(1.0), steps=1)


def test_energy_may_keep_a_part_without_gradient() -> None:
    """A term that does not depend on the particles adds energy and no velocity."""
    potential = wf.GaussianPrior() + (lambda x: torch.full((len(x),), 3.0, dtype=x.dtype))
    state = wf.flow(X0, potential, wf.EulerMaruyama(0.5), steps=1)
    assert torch.equal(state.x, X0 / 2)
    assert state.energy.tolist() == [5.5, 11.125]


def test_numbers_whose_sum_overflows_are_finite() -> None:
    x = torch.full((20, 2), 3e38)
    assert wf.flow(x, lambda x: (x / 3e38).sum(dim=1), wf.EulerMaruyama(0.1), steps=2).step == 2


@pytest.mark.parametrize("energies", [[torch.inf, -torch.inf], [torch.nan, 0.0], [0.0, -torch.inf]])
def test_energies_that_are_not_finite_end_a_flow(energies: list[float]) -> None:
    x = torch.zeros(2, 2)
    with pytest.raises(wf.FlowDiverged, match="energy of sample"):
        wf.flow(x, lambda x: x.sum(dim=1) + torch.tensor(energies), wf.EulerMaruyama(0.1), steps=1)


def test_a_result_prints_in_a_line() -> None:
    r = wf.refine(lambda x: -x.square().sum(dim=1), torch.ones(50, 2), steps=3)
    assert repr(r) == "Refinement(samples=(50, 2), particles=(50, 2), evaluations=150, acceptance=None)"


def test_rooms_list_their_names() -> None:
    for room in (wf, wf.data, wf.training):
        assert set(room.__all__) <= set(dir(room))
        assert "load_when_used" not in dir(room)
