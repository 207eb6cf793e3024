"""The small ratio network: what it is made of, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import _SpectralNorm

from wasserflow.models import RatioCNN


@pytest.mark.parametrize("size", [8, 9, 28, 32])
def test_every_size_fits_the_linear_layer(size: int) -> None:
    assert RatioCNN(size, width=2)(torch.zeros(3, 3, size, size)).shape == (3,)


def test_channels_double_and_nothing_normalises_by_batch() -> None:
    network = RatioCNN(28, width=5, image_channels=1)
    assert [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)] == [5, 10, 20]
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())
    assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}


def test_spectral_norm_where_asked() -> None:
    for asked, count in ((False, 0), (True, 4)):
        assert sum(isinstance(m, _SpectralNorm) for m in RatioCNN(8, 2, normalise=asked).modules()) == count


@pytest.mark.parametrize(("size", "width"), [(7, 4), (28, 0)])
def test_too_small_is_refused(size: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"image_size is {size} and width {width}"):
        RatioCNN(size, width)
