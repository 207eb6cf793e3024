"""What every exported integrator owes the flow."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from itertools import islice

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from calls import BATCH, integrators, particles
from toys import drift_of, mlp_critic
from wasserflow.seeds import Noise

INTEGRATORS = integrators()
RANDOM = [name for name, one in INTEGRATORS.items() if hasattr(one, "temperature")]
TOLERANCE = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-11, "atol": 1e-11}}


def potential(dtype: torch.dtype = torch.float64) -> wf.Potential:
    return wf.Divergence(wf.JensenShannon(), mlp_critic(dtype=dtype)) + 0.5 * wf.GaussianPrior()


def test_the_contract_covers_the_promised_integrators() -> None:
    assert {"EulerMaruyama", "Heun", "MALA", "Optimizer"} <= set(INTEGRATORS)


@pytest.mark.parametrize("name", INTEGRATORS)
def test_integrator_is_frozen(name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(INTEGRATORS[name], fields(INTEGRATORS[name])[0].name, 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", INTEGRATORS)
def test_states_carry_shape_dtype_and_counts(name: str, dtype: torch.dtype) -> None:
    x0 = particles(dtype)
    energy, start = potential(dtype), x0
    for count, state in enumerate(islice(wf.iterate(x0, energy, INTEGRATORS[name], seed=0), 4), start=1):
        assert isinstance(state, wf.State)
        assert state.step == count
        assert state.x.shape == x0.shape
        assert state.x.dtype == dtype
        assert state.energy.shape == (BATCH,)
        assert state.energy.dtype == dtype
        assert not state.x.requires_grad
        assert not state.energy.requires_grad
        # The energy is the one where the step started.
        torch.testing.assert_close(state.energy, energy(start).detach(), rtol=1e-5, atol=1e-6)
        start = state.x


@pytest.mark.parametrize("name", INTEGRATORS)
def test_evaluations_count_the_gradients_asked(name: str) -> None:
    critic, spent = mlp_critic(), []

    def counted(x: Tensor) -> Tensor:
        spent.append(len(x))
        return -critic(x)

    for state in islice(wf.iterate(particles(), counted, INTEGRATORS[name], seed=0), 4):
        assert state.evaluations == sum(spent)
    assert sum(spent) >= 4 * BATCH


@pytest.mark.parametrize("name", INTEGRATORS)
def test_trajectory_is_a_list_of_states_which_no_later_step_changes(name: str) -> None:
    x0 = particles()
    copies, states = [], []
    for state in islice(wf.iterate(x0, potential(), INTEGRATORS[name], seed=0), 5):
        states.append(state)
        copies.append(state.x.clone())
    for state, copy in zip(states, copies, strict=True):
        assert torch.equal(state.x, copy)
    assert len({state.x.data_ptr() for state in states}) == len(states)
    assert torch.equal(states[-1].x, wf.flow(x0, potential(), INTEGRATORS[name], steps=5, seed=0).x)


@pytest.mark.parametrize("name", INTEGRATORS)
def test_step_is_a_function_of_its_arguments(name: str) -> None:
    """Taking a step twice from one state gives one answer: states can be kept and resumed."""
    one, drift, seeds = INTEGRATORS[name], drift_of(potential()), wf.sample_seeds(0, BATCH)
    state = one.init(particles())
    for step in range(3):
        before = state.x.clone()
        first, again = (one.step(state, drift, Noise(seeds, step)) for _ in range(2))
        assert torch.equal(first.x, again.x)
        assert torch.equal(state.x, before)
        state = first


@pytest.mark.parametrize("name", INTEGRATORS)
def test_seeds_decide(name: str) -> None:
    x0 = particles()
    a, b, c = (wf.flow(x0, potential(), INTEGRATORS[name], steps=4, seed=seed).x for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert torch.equal(a, c) is (name not in RANDOM)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", INTEGRATORS)
def test_sample_alone_is_the_sample_in_the_batch(name: str, dtype: torch.dtype) -> None:
    x0, seeds = particles(dtype), [3, 1, 4, 15, 92]
    together = wf.flow(x0, potential(dtype), INTEGRATORS[name], steps=6, seed=seeds).x
    for i in range(BATCH):
        alone = wf.flow(x0[i : i + 1], potential(dtype), INTEGRATORS[name], steps=6, seed=seeds[i : i + 1]).x
        torch.testing.assert_close(alone[0], together[i], **TOLERANCE[dtype])


@pytest.mark.parametrize("name", RANDOM)
def test_every_step_has_fresh_noise(name: str) -> None:
    """On a flat energy the increments of successive steps are the noise: all different."""
    x0 = torch.zeros(BATCH, 2, dtype=torch.float64)
    states = list(islice(wf.iterate(x0, lambda x: 0 * x.sum(1), INTEGRATORS[name], seed=0), 3))
    increments = torch.stack(
        [b - a for a, b in zip([x0, states[0].x, states[1].x], [s.x for s in states], strict=True)]
    )
    assert increments.flatten().unique().numel() == increments.numel()


@pytest.mark.parametrize("name", INTEGRATORS)
@pytest.mark.parametrize("space", [wf.spaces.Box(-0.5, 0.5, shape=2), wf.spaces.Sphere(2)])
def test_space_holds_after_every_step(name: str, space: wf.spaces.Space) -> None:
    x0 = space.sample(BATCH, seed=0).double()
    x0 = space.project(x0)
    if name == "MALA":
        # Its acceptance knows nothing of a projection: a bounded law would pile up on the faces.
        with pytest.raises(ValueError, match="the space moved particles"):
            wf.flow(x0, potential(), INTEGRATORS[name], steps=25, space=space)
        return
    for state in islice(wf.iterate(x0, potential(), INTEGRATORS[name], space=space, seed=0), 5):
        torch.testing.assert_close(space.project(state.x), state.x, rtol=1e-12, atol=1e-12)
