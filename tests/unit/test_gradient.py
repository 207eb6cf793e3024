"""The gradient of a potential in the particles, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import wasserflow as wf
from toys import mlp_critic
from wasserflow.potentials import energy_and_gradient


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_values_whatever_the_caller_s_mode_which_stays(mode: Callable) -> None:
    x = torch.randn(4, 3, dtype=torch.float64)
    with mode():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        energy, gradient = energy_and_gradient(wf.GaussianPrior(), x, [])
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
    torch.testing.assert_close(energy, x.square().sum(1) / 2)
    assert torch.equal(gradient, x)
    assert not energy.requires_grad
    assert not gradient.requires_grad
    assert not x.requires_grad


def test_parameters_are_frozen_inside_and_thawed_after() -> None:
    critic, seen = mlp_critic(), []
    critic.register_forward_hook(lambda *_: seen.append([p.requires_grad for p in critic.parameters()]))
    energy_and_gradient(wf.Divergence(wf.KL(), critic), torch.randn(4, 2, dtype=torch.float64), [critic])
    assert seen == [[False] * 4]
    assert all(p.requires_grad and p.grad is None for p in critic.parameters())


def test_samples_do_not_share_gradients() -> None:
    """Sample i's gradient is that of its own energy: neither averaged over the batch nor mixed."""
    critic, x = mlp_critic(), torch.randn(6, 2, dtype=torch.float64)
    _, together = energy_and_gradient(critic, x, [critic])
    for i in range(6):
        torch.testing.assert_close(energy_and_gradient(critic, x[i : i + 1], [critic])[1][0], together[i])


def test_an_energy_without_gradient_is_refused() -> None:
    with pytest.raises(ValueError, match="gradient"):
        energy_and_gradient(lambda x: x.detach().sum(1), torch.ones(2, 2), [])


def test_the_module_s_own_error_is_passed_on() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        energy_and_gradient(lambda x: nn.Linear(3, 1)(x)[:, 0], torch.ones(2, 2), [])
