"""What every exported method owes its caller; a new method under wf.methods is included by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from calls import BATCH, COUPLED, arguments, examples, moved, refinement_methods, sampling_methods

REFINERS = refinement_methods()
SAMPLERS = sampling_methods()
METHODS = REFINERS | SAMPLERS
# Started far enough from the optimum that a run moves, and with noise where the method has any.
DETERMINISTIC = {"dot", "reno"}
TOLERANCE = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-10, "atol": 1e-10}}


def run(call: Callable, seed: Any = 0, **changes: Any) -> Any:
    values = arguments(call, examples()) | changes
    return call(**values, seed=seed)


def test_the_contract_covers_the_published_methods() -> None:
    assert {"refine", "ddls", "dot"} <= set(REFINERS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("latent", [False, True], ids=["data", "latent"])
@pytest.mark.parametrize("name", REFINERS)
def test_shape_and_dtype(name: str, latent: bool, dtype: torch.dtype) -> None:
    values = arguments(REFINERS[name], examples(dtype))
    values["generator"] = examples(dtype)["generator"] if latent else None
    r = REFINERS[name](**values, seed=0)
    x = values.get("x0", values.get("z0"))
    assert isinstance(r, wf.Refinement)
    assert r.samples.shape == r.particles.shape == x.shape
    assert r.samples.dtype == r.particles.dtype == dtype
    assert r.steps.shape == (BATCH,)
    assert r.steps.dtype == torch.int64
    assert isinstance(r.evaluations, int)
    assert not r.samples.requires_grad
    assert not r.particles.requires_grad
    expected = values["generator"](r.particles).detach() if latent else r.particles
    torch.testing.assert_close(r.samples, expected, rtol=0, atol=1e-6)
    assert bool((r.particles != x).any(dim=1).all()) or name == "mala"


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_samples_other_seed_other_samples(name: str) -> None:
    a, b, c = (moved(run(METHODS[name], seed)) for seed in (3, 3, 4))
    assert torch.equal(a, b)
    if name in DETERMINISTIC:
        assert torch.equal(a, c)
    else:
        assert bool((a != c).any(dim=1).all()) or name in SAMPLERS or name == "mala"
        assert not torch.equal(a, c)


@pytest.mark.parametrize("name", METHODS)
def test_global_random_state_is_neither_read_nor_moved(name: str) -> None:
    values = arguments(METHODS[name], examples())
    torch.manual_seed(0)
    state = torch.get_rng_state()
    a = moved(METHODS[name](**values, seed=3))
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(1)
    assert torch.equal(a, moved(METHODS[name](**values, seed=3)))


@pytest.mark.parametrize("name", METHODS)
def test_torch_generator_as_seed(name: str) -> None:
    a, b = (moved(run(METHODS[name], torch.Generator().manual_seed(8))) for _ in range(2))
    assert torch.equal(a, b)
    if name not in DETERMINISTIC:
        generator = torch.Generator().manual_seed(8)
        assert not torch.equal(moved(run(METHODS[name], generator)), moved(run(METHODS[name], generator)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("latent", [False, True], ids=["data", "latent"])
@pytest.mark.parametrize("name", [name for name in REFINERS if name not in COUPLED])
def test_sample_alone_is_the_sample_in_the_batch(name: str, latent: bool, dtype: torch.dtype) -> None:
    call, values = REFINERS[name], arguments(REFINERS[name], examples(dtype))
    values["generator"] = examples(dtype)["generator"] if latent else None
    key = "x0" if "x0" in values else "z0"
    seeds = [11, 2, -7, 2**40, 5]
    together = call(**values, seed=seeds)
    for i in (0, 3, 4):
        alone = call(**(values | {key: values[key][i : i + 1]}), seed=seeds[i : i + 1])
        torch.testing.assert_close(alone.particles[0], together.particles[i], **TOLERANCE[dtype])
    order = [4, 1, 0, 3, 2]
    shuffled = call(**(values | {key: values[key][order]}), seed=[seeds[i] for i in order])
    torch.testing.assert_close(shuffled.particles, together.particles[order], **TOLERANCE[dtype])


@pytest.mark.parametrize("name", [name for name in REFINERS if name not in COUPLED])
def test_int_seed_gives_a_shorter_batch_the_same_start(name: str) -> None:
    call, values = REFINERS[name], arguments(REFINERS[name], examples())
    key = "x0" if "x0" in values else "z0"
    together, first = call(**values, seed=9), call(**(values | {key: values[key][:2]}), seed=9)
    torch.testing.assert_close(first.particles, together.particles[:2], **TOLERANCE[torch.float64])
    listed = call(**values, seed=wf.sample_seeds(9, BATCH).tolist())
    assert torch.equal(listed.particles, together.particles)


@pytest.mark.parametrize("name", REFINERS)
def test_evaluations_are_the_gradients_asked_of_the_critic(name: str) -> None:
    values = arguments(REFINERS[name], examples())
    critic, spent = values["critic"], []

    def counted(x: Tensor) -> Tensor:
        spent.append(len(x))
        return critic(x)

    r = REFINERS[name](**(values | {"critic": counted}), seed=0)
    assert r.evaluations == sum(spent)
    assert r.steps.tolist() == [4] * BATCH


@pytest.mark.parametrize("name", REFINERS)
def test_column_critic_equals_flat_critic(name: str) -> None:
    values = arguments(REFINERS[name], examples())
    flat = values["critic"]
    column = REFINERS[name](**(values | {"critic": lambda x: flat(x)[:, None]}), seed=0)
    torch.testing.assert_close(column.particles, REFINERS[name](**values, seed=0).particles, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("latent", [False, True], ids=["data", "latent"])
@pytest.mark.parametrize("name", REFINERS)
def test_caller_s_grad_mode_does_not_matter(name: str, latent: bool, mode: Callable) -> None:
    values = arguments(REFINERS[name], examples())
    values["generator"] = examples()["generator"] if latent else None
    key = "x0" if "x0" in values else "z0"
    expected = REFINERS[name](**values, seed=1)
    with mode():
        inside = REFINERS[name](**values, seed=1)
        # A tensor made inside inference mode cannot be saved for a backward pass unless it is copied.
        made_inside = REFINERS[name](**(values | {key: values[key] * 1.0}), seed=1)
        assert not inside.samples.requires_grad
    assert torch.equal(inside.particles, expected.particles)
    assert torch.equal(made_inside.particles, expected.particles)
    assert torch.equal(inside.samples, expected.samples)


@pytest.mark.parametrize("name", REFINERS)
def test_zero_dimensional_events_and_images(name: str) -> None:
    """Any event shape: numbers, vectors, images."""
    values = arguments(REFINERS[name], examples())
    key = "x0" if "x0" in values else "z0"
    # Codes are vectors, so their latents have an axis at least.
    for shape in ((3,), (2, 4, 4)) if name == "vq_inference" else ((), (3,), (2, 4, 4)):
        x = torch.randn(BATCH, *shape, dtype=torch.float64)
        changes = {key: x, "generator": None, "critic": lambda x: -x.reshape(len(x), -1).square().sum(1)}
        if "prior" in values:
            changes["prior"] = wf.spaces.Normal(shape)
        r = REFINERS[name](**(values | changes), seed=0)
        assert r.samples.shape == x.shape
