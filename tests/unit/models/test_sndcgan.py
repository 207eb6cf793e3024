from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import _SpectralNorm

from wasserflow.models.sndcgan import SNDCGANCritic, SNDCGANGenerator


def test_the_published_generator() -> None:
    generator = SNDCGANGenerator()
    shapes = [
        tuple(m.weight.shape) for m in generator.modules() if isinstance(m, (nn.Linear, nn.ConvTranspose2d, nn.Conv2d))
    ]
    assert shapes == [(8192, 128), (512, 256, 4, 4), (256, 128, 4, 4), (128, 64, 4, 4), (3, 64, 3, 3)]


def test_the_published_critic() -> None:
    critic = SNDCGANCritic()
    convolutions = [m for m in critic.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [64, 64, 128, 128, 256, 256, 512]
    assert [m.kernel_size[0] for m in convolutions] == [3, 4, 3, 4, 3, 4, 3]
    assert [m.stride[0] for m in convolutions] == [1, 2, 1, 2, 1, 2, 1]
    assert critic.head.in_features == 8192
    assert {m.negative_slope for m in critic.modules() if isinstance(m, nn.LeakyReLU)} == {0.1}


def test_every_weight_of_the_critic_is_spectrally_normalised() -> None:
    critic = SNDCGANCritic(8)
    assert sum(isinstance(m, _SpectralNorm) for m in critic.modules()) == 8
    for _ in range(200):
        critic(torch.zeros(1, 3, 32, 32))
    critic.eval()
    for layer in critic.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.01)


def test_logits_are_linear_in_the_features() -> None:
    critic = SNDCGANCritic(16).eval()
    x = torch.rand(3, 3, 32, 32) * 2 - 1
    features = critic.features(x)
    assert features.shape == (3, 16 * 16)
    torch.testing.assert_close(critic(x), features @ critic.head.weight[0] + critic.head.bias)


def test_other_sizes_and_channels() -> None:
    images = SNDCGANGenerator(16, latent_dim=7, image_size=48, image_channels=1)(torch.randn(2, 7))
    assert images.shape == (2, 1, 48, 48)
    assert SNDCGANCritic(16, image_size=48, image_channels=1)(images).shape == (2,)
    assert images.abs().max() <= 1


@pytest.mark.parametrize("make", [SNDCGANGenerator, SNDCGANCritic])
def test_widths_that_cannot_be_halved_thrice_are_refused(make: type) -> None:
    with pytest.raises(ValueError, match="channels is 12; it must be a positive multiple of 8"):
        make(12)
    with pytest.raises(ValueError, match="image_size is 28"):
        make(16, image_size=28)


def test_pooled_features_average_each_channel_over_positions() -> None:
    critic = SNDCGANCritic(16, image_size=16).eval()
    x = torch.randn(2, 3, 16, 16)
    maps = critic.trunk[:-1](x)
    assert maps.shape == (2, 16, 2, 2)
    torch.testing.assert_close(critic.pooled_features(x), maps.mean((2, 3)))


def test_a_critic_without_spectral_norm_keeps_activations_at_their_size() -> None:
    critic = SNDCGANCritic(32, normalise=False)
    assert not any(isinstance(m, _SpectralNorm) for m in critic.modules())
    assert set(critic.state_dict()) == {f"trunk.{2 * i}.{kind}" for i in range(7) for kind in ("weight", "bias")} | {
        "head.weight",
        "head.bias",
    }
    features = critic.features(torch.randn(8, 3, 32, 32))
    assert 0.1 < features.square().mean().item() < 10


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="latent_dim is 0; give at least 1"):
        SNDCGANGenerator(16, latent_dim=0)
    for make in (SNDCGANGenerator, SNDCGANCritic):
        with pytest.raises(ValueError, match="image_channels is 0; give at least 1"):
            make(16, image_channels=0)
