"""A flow whose potential changes on the way."""

from __future__ import annotations

import pytest
import torch

import wasserflow as wf
from wasserflow.training.staged_flow import staged_flow

SEEDS = torch.arange(5)
STILL = wf.EulerMaruyama(0.5)


def test_the_second_potential_goes_on_where_the_first_ends() -> None:
    x0, down = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)), wf.GaussianPrior()
    states: list[wf.State] = []
    moved = staged_flow(x0, (down, 2), (lambda x: 2 * down(x), 1), STILL, SEEDS, 2, states.append)
    torch.testing.assert_close(moved, torch.zeros(5, 2))
    assert [(state.step, len(state.x)) for state in states] == [(1, 2), (2, 2), (3, 2)]
    torch.testing.assert_close(states[1].x, x0[:2] / 4)
    assert torch.equal(staged_flow(x0, (down, 0), (down, 0), STILL, SEEDS, 2), x0)


def test_noise_is_new_in_the_second_stage_and_does_not_depend_on_the_parts() -> None:
    x0, flat, noisy = torch.zeros(5, 3), lambda x: 0 * x.sum(1), wf.EulerMaruyama(0.5, temperature=1.0)
    first = staged_flow(x0, (flat, 2), (flat, 0), noisy, SEEDS, 5)
    both = staged_flow(x0, (flat, 2), (flat, 2), noisy, SEEDS, 5)
    assert not torch.isclose(both - first, first).any()
    assert torch.equal(both, staged_flow(x0, (flat, 2), (flat, 2), noisy, SEEDS, 2))


def test_parts_have_a_size() -> None:
    with pytest.raises(ValueError, match="batch_size is 0; give at least 1"):
        staged_flow(torch.zeros(5, 2), (wf.GaussianPrior(), 1), (wf.GaussianPrior(), 1), STILL, SEEDS, 0)
