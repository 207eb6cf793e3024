from __future__ import annotations

from typing import Any

import pytest
import torch

from wasserflow.models.resnet import ResidualBlock, SmallResNet


def test_the_default_network_fits_in_four_megabytes() -> None:
    tensors = SmallResNet().state_dict().values()
    assert sum(t.numel() * t.element_size() for t in tensors) < 4e6


def test_logits_are_linear_in_the_features() -> None:
    network = SmallResNet(classes=3, widths=(4, 6), image_channels=1).eval()
    x = torch.randn(2, 1, 28, 28)
    features = network.features(x)
    assert features.shape == (2, 6)
    torch.testing.assert_close(network(x), network.head(features))


def test_a_block_adds_its_convolutions_to_its_input() -> None:
    block = ResidualBlock(4, 4).eval()
    x = torch.rand(2, 4, 5, 5)
    torch.nn.init.zeros_(block.residual[4].weight)  # the last batch norm now gives zero
    torch.testing.assert_close(block(x), x)
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(block(x), x.relu())


@pytest.mark.parametrize(
    ("sizes", "says"), [({"widths": []}, "widths is empty; give"), ({"widths": (4, 0)}, "width is 0; give at least 1")]
)
def test_a_network_needs_channels(sizes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SmallResNet(**sizes)
