from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate
from torch.nn.utils.parametrizations import _SpectralNorm

from wasserflow.models import SNResNetCritic, SNResNetGenerator, prepare
from wasserflow.models.sn_resnet import DownBlock, UpBlock


def convolutions(network: nn.Module, size: int) -> list[nn.Conv2d]:
    return [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (size, size)]


def test_the_published_generator() -> None:
    generator = SNResNetGenerator()
    linear = next(m for m in generator.modules() if isinstance(m, nn.Linear))
    assert tuple(linear.weight.shape) == (256 * 16, 128)
    assert [(m.in_channels, m.out_channels) for m in convolutions(generator, 3)] == [(256, 256)] * 6 + [(256, 3)]
    assert [(m.in_channels, m.out_channels) for m in convolutions(generator, 1)] == [(256, 256)] * 3
    assert sum(isinstance(m, nn.BatchNorm2d) for m in generator.modules()) == 7


def test_the_published_critic() -> None:
    critic = SNResNetCritic()
    assert [(m.in_channels, m.out_channels) for m in convolutions(critic, 3)] == [(3, 128)] + [(128, 128)] * 7
    assert [(m.in_channels, m.out_channels) for m in convolutions(critic, 1)] == [(3, 128), (128, 128)]
    assert critic.trunk(torch.zeros(1, 3, 32, 32)).shape == (1, 128, 8, 8)


def test_every_weight_of_the_critic_is_spectrally_normalised() -> None:
    critic = SNResNetCritic(8)
    layers = [m for m in critic.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert sum(isinstance(m, _SpectralNorm) for m in critic.modules()) == len(layers) == 11
    for _ in range(200):
        critic(torch.zeros(1, 3, 8, 8))
    critic.eval()
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.01)
    assert not any(isinstance(m, _SpectralNorm) for m in SNResNetGenerator(8).modules())


def test_an_up_block_is_the_published_formula() -> None:
    block = UpBlock(4, 2)
    x = torch.randn(3, 4, 5, 5)
    first, convolve, second, again = (block.residual[i] for i in (0, 3, 4, 6))
    hidden = second(convolve(interpolate(first(x).relu(), scale_factor=2)))
    expected = block.shortcut[0](interpolate(x, scale_factor=2)) + again(hidden.relu())
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("first", [False, True])
def test_a_down_block_is_the_published_formula(first: bool) -> None:
    block = DownBlock(3, 5, halves=True, first=first)
    x = torch.randn(2, 3, 6, 6)
    inner, outer = convolutions(block, 3)
    (shortcut,) = convolutions(block, 1)

    def hidden(x: Tensor) -> Tensor:
        return outer(inner(x if first else x.relu()).relu())

    torch.testing.assert_close(block(x), avg_pool2d(shortcut(x) + hidden(x), 2), rtol=1e-5, atol=1e-5)
    plain = DownBlock(3, 3, halves=False)
    assert not convolutions(plain, 1)
    inner, outer = convolutions(plain, 3)
    torch.testing.assert_close(plain(x), x + outer(inner(x.relu()).relu()))


def test_logits_are_linear_in_the_features_which_sum_over_positions() -> None:
    critic = SNResNetCritic(8).eval()
    x = torch.rand(3, 3, 16, 16) * 2 - 1
    features = critic.features(x)
    torch.testing.assert_close(features, critic.trunk(x).flatten(2).sum(2))
    torch.testing.assert_close(critic(x), features @ critic.head.weight[0] + critic.head.bias)


def test_prepared_copies_are_the_same_functions() -> None:
    generator, critic = SNResNetGenerator(8, latent_dim=4, image_size=16), SNResNetCritic(8)
    for _ in range(3):
        generator(torch.randn(8, 4))
    generator, critic = generator.eval(), critic.eval()
    z = torch.randn(2, 4)
    fast_generator, fast_critic = prepare(generator, critic)
    torch.testing.assert_close(fast_generator(z), generator(z), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fast_critic(generator(z)), critic(generator(z)), rtol=1e-4, atol=1e-5)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="image_size is 28; it must be a positive multiple of 8"):
        SNResNetGenerator(8, image_size=28)
    for make in (SNResNetGenerator, SNResNetCritic):
        with pytest.raises(ValueError, match="channels is 0; give at least 1"):
            make(0)
