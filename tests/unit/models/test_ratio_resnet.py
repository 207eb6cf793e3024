"""The ratio networks: the layouts of the paper's table, pooled by the mean, without batch norm."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wasserflow.models import RatioResNet
from wasserflow.models.image_attention import ImageAttention
from wasserflow.models.ratio_resnet import RatioBlock

# Table 3 of Heng, Ansari & Soh: channels of the first convolution and of each layer, d for down, a for attention.
TABLE = {
    "32": [128, "128", "128", "128", "d256", "256", "256", "d256", "256", "256", "d256", "256", "256"],
    "64": [64, "d64", "d128", "128", "d256", "256", "d256", "256"],
    "128": [64, "d64", "d128", "d128", "128", "d256", "256", "d256", "256"],
    "64 with attention": [64, "d64", "d128", "a128", "d128", "d256"],
}


def described(network: RatioResNet) -> list[object]:
    rows: list[object] = [network.stem.out_channels]
    for layer in list(network.blocks)[:-1]:
        if isinstance(layer, ImageAttention):
            rows.append(f"a{layer.value.out_channels}")
        else:
            assert isinstance(layer, RatioBlock)
            down = "d" if isinstance(layer.pool, nn.AvgPool2d) else ""
            rows.append(f"{down}{layer.residual[-1].out_channels}")
    return rows


@pytest.mark.parametrize("size", TABLE)
def test_the_published_width_has_the_published_layers(size: str) -> None:
    with torch.device("meta"):
        network = RatioResNet(size)  # type: ignore[arg-type]
    assert described(network) == TABLE[size]
    assert network.head.in_features == 256
    assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert not [m for m in network.modules() if "Norm" in type(m).__name__]


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("size", TABLE)
def test_one_number_an_image_that_depends_on_it_alone(size: str, normalise: bool) -> None:
    pixels = int(size.split()[0])
    network = RatioResNet(size, width=2, normalise=normalise).eval()  # type: ignore[arg-type]
    x = torch.randn(3, 3, pixels, pixels, requires_grad=True)
    values = network(x)
    assert values.shape == (3,)
    torch.testing.assert_close(network(x[1:2])[0], values[1], rtol=1e-5, atol=1e-6)
    (gradient,) = torch.autograd.grad(values[1], x)
    assert gradient[1].abs().max() > 0
    assert gradient[0].abs().max() == 0


def test_spectral_norm_bounds_every_layer() -> None:
    network = RatioResNet("64 with attention", width=4, normalise=True)
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for _ in range(30):
        network(torch.zeros(1, 3, 64, 64))
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_attention_begins_as_the_identity_and_then_looks_everywhere() -> None:
    layer, x = ImageAttention(8), torch.randn(1, 8, 3, 3, requires_grad=True)
    assert torch.equal(layer(x), x)
    nn.init.ones_(layer.gain)
    (gradient,) = torch.autograd.grad((layer(x) - x)[0, :, 0, 0].sum(), x)
    assert gradient[0, :, 2, 2].abs().max() > 0


def test_refusals(unchecked_annotations: None) -> None:
    with pytest.raises(ValueError, match="size is '48'; there are layouts for '32', '64', '128', '64 with att"):
        RatioResNet("48")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="width is 0"):
        RatioResNet("32", width=0)
