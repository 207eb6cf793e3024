from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from wasserflow.models.mlp import mlp_critic, mlp_generator, mlp_ratio


def test_the_published_networks_have_three_hidden_layers_of_512() -> None:
    generator, critic = mlp_generator(), mlp_critic()
    assert [tuple(m.weight.shape) for m in generator if isinstance(m, nn.Linear)] == [
        (512, 2),
        (512, 512),
        (512, 512),
        (2, 512),
    ]
    assert [tuple(m.weight.shape) for m in critic if isinstance(m, nn.Linear)][-1] == (1, 512)
    assert sum(isinstance(m, nn.ReLU) for m in generator) == 3


def test_an_activation_stands_between_layers_and_not_after_the_last() -> None:
    torch.manual_seed(0)
    generator = mlp_generator(latent=3, event=4, width=5, layers=1, activation=lambda: nn.LeakyReLU(0.5))
    z = torch.randn(6, 3)
    hidden = z @ generator[0].weight.T + generator[0].bias
    expected = torch.where(hidden > 0, hidden, hidden / 2) @ generator[2].weight.T + generator[2].bias
    torch.testing.assert_close(generator(z), expected)
    assert (expected < 0).any()


@pytest.mark.parametrize("make", [mlp_generator, mlp_critic])
def test_the_slope_of_a_leaky_activation_is_a_number(make: Callable[..., nn.Sequential]) -> None:
    torch.manual_seed(1)
    leaky = make(width=4, negative_slope=0.25)
    torch.manual_seed(1)
    same = make(width=4, activation=lambda: nn.LeakyReLU(0.25))
    x = torch.randn(9, 2)
    assert torch.equal(leaky(x), same(x))
    assert str(leaky) == str(same)
    with pytest.raises(ValueError, match=r"negative_slope is 0\.25 beside an activation; give one"):
        make(activation=nn.SiLU, negative_slope=0.25)


def test_a_critic_gives_one_number_a_sample() -> None:
    critic = mlp_critic(event=3, width=4, layers=2)
    assert critic(torch.randn(5, 3)).shape == (5,)
    assert critic(torch.randn(1, 3)).shape == (1,)


def test_a_fresh_network_keeps_the_size_of_a_signal() -> None:
    torch.manual_seed(0)
    critic = mlp_critic()
    x = torch.randn(2000, 2)
    for depth in (1, 3, 5):  # up to and with each hidden linear layer
        # He: 2 / inputs · Σ x² is 2 on the mean, and the ReLU hands a half of it on to each of the next inputs.
        assert critic[:depth](x).square().mean().item() == pytest.approx(2, rel=0.2)
    assert critic[-2].weight.var().item() == pytest.approx(2 / 513, rel=0.2)  # Glorot
    assert all((m.bias == 0).all() for m in critic if isinstance(m, nn.Linear))


@pytest.mark.parametrize("make", [mlp_generator, mlp_critic, mlp_ratio])
@pytest.mark.parametrize("name", ["event", "width", "layers"])
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_below_one_are_refused(make: Callable[..., nn.Sequential], name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}; give at least 1"):
        make(**{name: value})


def test_a_generator_needs_latents() -> None:
    with pytest.raises(ValueError, match="latent is 0; give at least 1"):
        mlp_generator(latent=0)
