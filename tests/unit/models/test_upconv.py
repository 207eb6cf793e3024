from __future__ import annotations

import pytest
import torch
from torch import nn

from wasserflow.models import ConvEncoder, UpconvGenerator, prepare


def test_the_published_generator() -> None:
    layers = [m for m in UpconvGenerator().modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [tuple(m.weight.shape) for m in layers] == [
        (64, 256, 4, 4),
        (256, 128, 4, 4),
        (128, 64, 4, 4),
        (64, 3, 4, 4),
    ]
    assert [m.stride[0] for m in layers] == [1, 2, 2, 2]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in UpconvGenerator().modules()) == 3


def test_the_published_encoder() -> None:
    encoder = ConvEncoder(outputs=7)
    layers = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    assert [tuple(m.weight.shape) for m in layers] == [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (7, 256, 4, 4)]
    assert [m.num_features for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)] == [128, 256]
    assert {m.negative_slope for m in encoder.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert not any(isinstance(m, nn.BatchNorm2d) for m in ConvEncoder(batch_norm=False).modules())


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (29, 3), (32, 3), (48, 3)])
def test_any_size_that_can_be_halved_thrice(size: int, channels: int) -> None:
    shape = {"image_size": size, "image_channels": channels}
    images = UpconvGenerator(5, widths=(8, 6, 4), **shape)(torch.randn(2, 5))
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    assert ConvEncoder(3, widths=(4, 6, 8), **shape)(images).shape == (2, 3)


def test_a_prepared_generator_makes_the_same_images() -> None:
    generator = UpconvGenerator(5, widths=(8, 6), image_size=10)
    generator(torch.randn(64, 5))  # running statistics of its own
    (fast,) = prepare(generator.eval())
    z = torch.randn(3, 5)
    torch.testing.assert_close(fast(z), generator(z))
    assert all(p.requires_grad is False for p in fast.parameters())


@pytest.mark.parametrize("make", [UpconvGenerator, ConvEncoder])
def test_sizes_that_do_not_fit_are_refused(make: type) -> None:
    with pytest.raises(ValueError, match="image_size is 7, which cannot be halved 3 times; it must be at least 8"):
        make(image_size=7)
    with pytest.raises(ValueError, match="widths is empty"):
        make(widths=())
    with pytest.raises(ValueError, match="width is 0; give at least 1"):
        make(widths=(8, 0, 4))
