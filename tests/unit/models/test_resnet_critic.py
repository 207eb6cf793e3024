from __future__ import annotations

import torch

from wasserflow.models import ResNetCritic, SmallResNet


def classifier() -> SmallResNet:
    network = SmallResNet(widths=(4, 6), image_channels=1)
    network(torch.randn(16, 1, 8, 8))  # running statistics unlike those of a new network
    return network.eval()


def test_the_critic_sees_what_the_classifier_sees() -> None:
    network, x = classifier(), torch.randn(3, 1, 8, 8)
    critic = ResNetCritic.on(network, hidden=5)
    torch.testing.assert_close(critic.features(x), network.features(x))
    torch.testing.assert_close(critic(x), critic.head(network.features(x)).squeeze(1))
    assert critic.head[0].out_features == 5


def test_only_the_head_learns_and_the_batch_norms_stand_still() -> None:
    network, x = classifier(), torch.randn(3, 1, 8, 8)
    critic = ResNetCritic.on(network).train()
    before = {name: value.clone() for name, value in critic.trunk.state_dict().items()}
    critic(5 * x).sum().backward()
    assert critic.head[0].weight.grad is not None
    assert all(parameter.grad is None for parameter in critic.trunk.parameters())
    assert all(torch.equal(value, before[name]) for name, value in critic.trunk.state_dict().items())
    assert critic.head.training
    assert not any(module.training for module in critic.trunk.modules())
    torch.testing.assert_close(network.features(x), critic.features(x))
