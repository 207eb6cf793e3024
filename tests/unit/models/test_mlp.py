from __future__ import annotations

import torch
from torch import nn

from wasserflow.models.mlp import mlp_critic, mlp_generator


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


def test_a_critic_gives_one_number_a_sample() -> None:
    critic = mlp_critic(event=3, width=4, layers=2)
    assert critic(torch.randn(5, 3)).shape == (5,)
    assert critic(torch.randn(1, 3)).shape == (1,)


def test_a_fresh_network_keeps_the_size_of_a_signal() -> None:
    torch.manual_seed(0)
    x = torch.randn(2000, 2)
    # He: each hidden layer keeps the mean square; Glorot to 1 output from 512 doubles it; ReLU passes half of it on.
    scores = torch.cat([mlp_critic()(x) for _ in range(5)])
    # mean square of the input 1 -> 2 before each ReLU -> 2 * 2 / 513 * 512 / 2 after the last layer.
    assert 1.2 < scores.square().mean() < 3.0
    assert all((m.bias == 0).all() for m in mlp_critic() if isinstance(m, nn.Linear))
