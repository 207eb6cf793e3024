"""Inputs nobody would plan: every public call answers with a ValueError or TypeError, or works."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

import wasserflow as wf
from calls import arguments, examples, refinement_methods

REFINERS = refinement_methods()
QUIET = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

bad_numbers = st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 0.0, "0.1", None, True, [0.1], 1j, 10**300])
good_or_bad_numbers = st.one_of(st.floats(-1, 1), bad_numbers)
seeds = st.one_of(
    st.integers(-(2**80), 2**80),
    st.lists(st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=3), st.none()), max_size=7),
    st.sampled_from([None, "seed", 1.0, True, b"bytes", {1, 2}, {"a": 1}, torch.zeros(5), torch.zeros(5, 1).long()]),
)
steps = st.one_of(st.integers(-3, 3), st.sampled_from([None, "3", 2.0, True, math.nan, 1.5]))


@st.composite
def tensors(draw: Callable) -> object:
    """Particles of any rank, size, dtype and content, and things that are no tensors."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    dtype = draw(
        st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int64, torch.bool, torch.complex64])
    )
    kind = draw(st.sampled_from(["normal", "nan", "inf", "huge", "list"]))
    x = torch.ones(shape).to(dtype)
    if kind == "list":
        return x.tolist()
    if kind != "normal" and x.numel() and dtype.is_floating_point:
        x.view(-1)[-1] = {"nan": math.nan, "inf": math.inf, "huge": torch.finfo(dtype).max}[kind]
    return x


def lenient(x: Tensor) -> Tensor:
    """A critic which takes any event shape, so that errors are the library's own."""
    return -x.reshape(len(x), -1).square().sum(1) / 2


def answer_or_refusal(call: Callable[[], object]) -> object:
    """Anything but a ValueError or TypeError fails the test."""
    try:
        return call()
    except (ValueError, TypeError):
        return None


@pytest.fixture(params=[True, False], ids=["checked", "unchecked"])
def annotations(request: pytest.FixtureRequest) -> None:
    if not request.param:
        request.getfixturevalue("unchecked_annotations")


def with_particles(name: str, x: object) -> dict[str, object]:
    values = arguments(REFINERS[name], examples()) | {"critic": lenient, "generator": None}
    values["x0" if "x0" in values else "z0"] = x
    if "prior" in values:
        values["prior"] = wf.spaces.Normal(2)
    return values


@pytest.mark.usefixtures("annotations")
@pytest.mark.parametrize("name", REFINERS)
@QUIET
@given(x=tensors())
def test_any_particles(name: str, x: object) -> None:
    r = answer_or_refusal(lambda: REFINERS[name](**with_particles(name, x), seed=0))
    if r is not None:
        assert isinstance(x, Tensor)
        assert r.samples.shape == x.shape
        assert bool(r.samples.isfinite().all())


@pytest.mark.usefixtures("annotations")
@pytest.mark.parametrize("name", REFINERS)
@QUIET
@given(seed=seeds, count=steps)
def test_any_seed_and_steps(name: str, seed: object, count: object) -> None:
    x = torch.ones(5, 2, dtype=torch.float64)
    r = answer_or_refusal(lambda: REFINERS[name](**(with_particles(name, x) | {"steps": count}), seed=seed))
    if r is not None:
        assert isinstance(count, int)
        assert not isinstance(count, bool)
        assert count >= 1
        assert isinstance(seed, int) or len(seed) == 5
        assert r.steps.tolist() == [count] * 5


@pytest.mark.usefixtures("annotations")
@pytest.mark.parametrize("make", [wf.EulerMaruyama, wf.Heun, wf.MALA])
@QUIET
@given(step_size=good_or_bad_numbers, temperature=good_or_bad_numbers)
def test_any_step_size_and_temperature(make: Callable, step_size: object, temperature: object) -> None:
    x = torch.ones(3, 2, dtype=torch.float64)
    r = answer_or_refusal(lambda: wf.refine(lenient, x, integrator=make(step_size, temperature), steps=2))
    if r is not None:
        assert 0 < step_size < math.inf
        assert 0 <= temperature < math.inf
        assert bool(r.samples.isfinite().all())


@pytest.mark.usefixtures("annotations")
@QUIET
@given(step_size=good_or_bad_numbers, noise_scale=good_or_bad_numbers, lipschitz=bad_numbers, lr=bad_numbers)
def test_any_settings_of_ddls_and_dot(step_size: object, noise_scale: object, lipschitz: object, lr: object) -> None:
    x, prior = torch.ones(3, 2, dtype=torch.float64), wf.spaces.Normal(2)
    r = answer_or_refusal(
        lambda: wf.methods.ddls(lenient, x, prior=prior, step_size=step_size, noise_scale=noise_scale, steps=2)
    )
    if r is not None:
        assert 0 < step_size < math.inf
        assert 0 <= noise_scale < math.inf
    for changes in ({"lipschitz": lipschitz}, {"lipschitz": 1.0, "lr": lr}):
        answer_or_refusal(lambda changes=changes: wf.methods.dot(lenient, x, steps=2, **changes))


@pytest.mark.usefixtures("annotations")
@QUIET
@given(n=st.one_of(st.integers(-2, 4), st.sampled_from([None, 2.0, "3"])), seed=seeds)
def test_any_sampling(n: object, seed: object) -> None:
    for space in (wf.spaces.Normal(3), wf.spaces.Box(-1.0, 1.0, 2), wf.spaces.Sphere(3)):
        x = answer_or_refusal(lambda space=space: space.sample(n, seed=seed))
        if x is not None:
            assert len(x) == n
    answer_or_refusal(lambda: wf.sample_seeds(seed, n))


@pytest.mark.usefixtures("annotations")
@QUIET
@given(
    low=good_or_bad_numbers,
    high=good_or_bad_numbers,
    shape=st.one_of(st.integers(-1, 3), st.lists(st.integers(-1, 3), max_size=3), st.sampled_from([None, 1.5, "2"])),
)
def test_any_space(low: object, high: object, shape: object) -> None:
    for make in (
        lambda: wf.spaces.Box(low, high, shape),
        lambda: wf.spaces.Normal(shape),
        lambda: wf.spaces.Sphere(shape),
    ):
        answer_or_refusal(make)


@pytest.mark.usefixtures("annotations")
@QUIET
@given(other=st.one_of(good_or_bad_numbers, st.text(max_size=2)))
def test_any_arithmetic_of_potentials(other: object) -> None:
    potential = wf.GaussianPrior()
    for make in (
        lambda: potential * other,
        lambda: other * potential,
        lambda: potential + other,
        lambda: potential - other,
    ):
        answer_or_refusal(make)
