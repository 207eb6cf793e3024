"""Modules and tensors come back exactly as they were given: after a run, an error, or a `break`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from calls import arguments, examples, particles, refinement_methods
from toys import mlp_critic, mlp_generator

REFINERS = refinement_methods()


class MixedModes(nn.Module):
    """Layers without batch statistics, some in train mode, some frozen, one with a gradient it must keep."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.extra = inner, nn.Linear(3, 3, dtype=torch.float64)
        self.train()
        inner.eval()
        parameters = list(self.parameters())
        parameters[0].requires_grad_(False)
        parameters[1].grad = torch.full_like(parameters[1], 7.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def fingerprint(module: nn.Module) -> list[object]:
    modes = [part.training for part in module.modules()]
    flags = [parameter.requires_grad for parameter in module.parameters()]
    values = [value.clone().tolist() for value in module.state_dict().values()]
    gradients = [None if p.grad is None else (id(p.grad), p.grad.tolist()) for p in module.parameters()]
    return [modes, flags, values, gradients]


@contextmanager
def unchanged(*modules: nn.Module) -> Iterator[None]:
    before = [fingerprint(module) for module in modules]
    yield
    assert [fingerprint(module) for module in modules] == before


@pytest.fixture
def critic() -> MixedModes:
    return MixedModes(mlp_critic())


@pytest.fixture
def generator() -> MixedModes:
    return MixedModes(mlp_generator())


@pytest.mark.parametrize("name", REFINERS)
def test_after_a_run(name: str, critic: MixedModes, generator: MixedModes) -> None:
    values = arguments(REFINERS[name], examples()) | {"critic": critic, "generator": generator}
    with unchanged(critic, generator):
        REFINERS[name](**values, seed=0)


@pytest.mark.parametrize("name", REFINERS)
@pytest.mark.parametrize("failing_call", [1, 3])
def test_after_an_error_inside_the_critic(
    name: str, failing_call: int, critic: MixedModes, generator: MixedModes
) -> None:
    calls = 0

    def hook(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal calls
        calls += 1
        if calls == failing_call:
            raise KeyError("the critic's own mistake")

    critic.register_forward_hook(hook)
    values = arguments(REFINERS[name], examples()) | {"critic": critic, "generator": generator}
    with unchanged(critic, generator), pytest.raises(KeyError, match="own mistake"):
        REFINERS[name](**values, seed=0)


def test_after_break(critic: MixedModes, generator: MixedModes) -> None:
    potential = wf.Pullback(wf.Divergence(wf.KL(), critic), generator)
    with unchanged(critic, generator):
        for state in wf.iterate(particles(), potential, wf.EulerMaruyama(0.1)):
            if state.step == 2:
                break


def test_between_steps_the_modules_are_the_caller_s(critic: MixedModes) -> None:
    """While the loop waits at a yield the caller may train the critic: its flags must be the caller's."""
    with unchanged(critic):
        states = wf.iterate(particles(), wf.Divergence(wf.KL(), critic), wf.EulerMaruyama(0.1))
        next(states)
        assert [p.requires_grad for p in critic.parameters()] == [False] + [True] * 5
        assert torch.is_grad_enabled()
        next(states)


def test_two_flows_over_one_critic_may_interleave(critic: MixedModes) -> None:
    potential = wf.Divergence(wf.KL(), critic)
    with unchanged(critic):
        a, b = (wf.iterate(particles(), potential, wf.EulerMaruyama(0.1)) for _ in range(2))
        next(a), next(b), next(a)
        a.close()
        next(b)
        b.close()


@pytest.mark.parametrize("make", [lambda c: c, lambda c: lambda x: c(x) + 1], ids=["module", "closure"])
def test_no_parameter_gradients(make: Callable, critic: MixedModes) -> None:
    """Also for a critic hidden in a function, whose modules nobody can see: .grad is never written."""
    with unchanged(critic):
        wf.refine(make(critic), particles(), steps=3)


@pytest.mark.parametrize("name", REFINERS)
@pytest.mark.parametrize("needs_grad", [False, True])
def test_inputs_are_unchanged(name: str, needs_grad: bool) -> None:
    values = arguments(REFINERS[name], examples())
    key = "x0" if "x0" in values else "z0"
    x = values[key].clone().requires_grad_(needs_grad)
    copy, version = x.detach().clone(), x._version
    r = REFINERS[name](**(values | {key: x}), seed=0)
    assert torch.equal(x.detach(), copy)
    assert x._version == version
    assert x.grad is None
    assert x.requires_grad is needs_grad
    assert not r.samples.requires_grad
    assert r.particles.data_ptr() != x.data_ptr()


def test_particles_of_a_larger_graph_leave_the_graph_alone() -> None:
    leaf = particles().requires_grad_()
    x = 2 * leaf
    wf.refine(mlp_critic(), x, steps=2)
    x.sum().backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, torch.full_like(leaf, 2.0))


def test_strided_and_expanded_inputs() -> None:
    """Views keep their memory: a transposed and an expanded start give the answers of their copies."""
    critic = mlp_critic()
    base = particles()
    transposed, expanded = base.T.contiguous().T, base[:1].expand(5, 2)
    for x in (transposed, expanded):
        copy = x.clone()
        r = wf.refine(critic, x, steps=3, seed=1)
        plain = wf.refine(critic, copy.contiguous(), steps=3, seed=1)
        torch.testing.assert_close(r.samples, plain.samples, rtol=1e-12, atol=1e-12)
        assert torch.equal(x, copy)


def test_closing_the_loop_early_leaves_nothing_behind(critic: MixedModes) -> None:
    with unchanged(critic):
        states = list(islice(wf.iterate(particles(), wf.Divergence(wf.KL(), critic), wf.Heun(0.1)), 2))
    assert [state.step for state in states] == [1, 2]
