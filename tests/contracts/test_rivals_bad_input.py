"""What a caller may get wrong with the rivals: no data to calibrate on, an empty set, a generator that returns NaN."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from test_refusals import refused
from torch import Tensor

import wasserflow as wf
from calls import arguments, examples, particles, refinement_methods, sampling_methods
from toys import mlp_critic
from wasserflow.ratios import isotonic

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

REFINERS, SAMPLERS = refinement_methods(), sampling_methods()


def nothing(z: Tensor) -> Tensor:
    return z * math.nan


def refined(name: str, **changes: object) -> wf.Refinement:
    values = arguments(REFINERS[name], examples())
    return REFINERS[name](**(values | changes))


@pytest.mark.parametrize("name", REFINERS)
def test_generator_that_returns_nan(name: str) -> None:
    with refused(ValueError, "NaN", "mend", "0"):
        refined(name, generator=nothing)


def test_lipschitz_constant_of_a_generator_that_returns_nan() -> None:
    with refused(ValueError, "critic", "NaN", "sample 0", "generator", "mend"):
        refined("dot", generator=nothing, lipschitz=None)


@pytest.mark.parametrize("name", sorted(set(REFINERS) - {"gmi", "vq_inference"}))
def test_generator_whose_nan_the_critic_swallows(name: str) -> None:
    """The particles stay finite, and so do their energies: only the samples tell."""
    bad = torch.tensor([0.0, math.nan])
    with refused(wf.FlowDiverged, "generator", "sample 0", "mend") as raised:
        refined(name, generator=lambda z: z + bad, critic=lambda x: -x[:, 0].square())
    assert bool(raised.value.state.x.isfinite().all())


@pytest.mark.parametrize("name", SAMPLERS)
def test_proposals_of_a_generator_that_returns_nan(name: str) -> None:
    propose = wf.spaces.Generated(Nothing().eval(), wf.spaces.Normal(2)).sample
    values = arguments(SAMPLERS[name], examples(torch.float32))
    with refused(ValueError, "propose", "NaN", "mend"):
        SAMPLERS[name](**(values | {"propose": propose}))


class Nothing(torch.nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return nothing(z)


@pytest.mark.parametrize("fit", [wf.calibrate, isotonic])
@pytest.mark.parametrize("missing", ["real", "fake"])
def test_critic_without_calibration_data(fit: Callable, missing: str) -> None:
    critic = lambda x: x[:, 0]  # noqa: E731
    sets = {"real": particles(), "fake": particles()}
    with refused(ValueError, missing, "(0, 2)", "empty"):
        fit(critic, **(sets | {missing: torch.zeros(0, 2, dtype=torch.float64)}))
    with refused(TypeError, missing, "NoneType"):
        fit(critic, **(sets | {missing: None}))


@pytest.mark.parametrize("name", ["rejection_sample", "budgeted_rejection_sample"])
def test_acceptance_without_a_burn_in(name: str) -> None:
    with refused(ValueError, "burn_in", 0):
        SAMPLERS[name](**arguments(SAMPLERS[name], examples()), burn_in=0)


def test_chains_from_an_empty_set() -> None:
    with refused(ValueError, "start", "(0, 2)", "5"):
        wf.methods.metropolis_sample(**arguments(wf.methods.metropolis_sample, examples()), start=particles(n=0))


def test_corrector_of_an_empty_set() -> None:
    with refused(ValueError, "samples_phi", "0 samples"):
        wf.fit_corrector(mlp_critic(), particles(n=0), particles(), steps=1)
    with refused(ValueError, "(0, 2)"):
        wf.spaces.Samples(particles(n=0))
