"""A small residual classifier of images, whose last hidden layer serves as the features of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_counts


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm beside a shortcut: relu(shortcut(x) + conv(relu(conv(x)))).

    Args:
        channels: input channels.
        out_channels: output channels.
        stride: of the first convolution and of the shortcut.

    Source:
        He et al., Deep residual learning for image recognition, CVPR 2016, figure 2.

    Example:
        >>> import torch
        >>> from wasserflow.models.resnet import ResidualBlock
        >>> ResidualBlock(8, 16, stride=2)(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 16, 2, 2])
    """

    def __init__(self, channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out rows columns"]:
        """Return the activations of the block."""
        return (self.shortcut(x) + self.residual(x)).relu()


class SmallResNet(nn.Module):
    """A residual classifier of small images on [-1, 1], one block a resolution, below a million parameters.

    Args:
        classes: number of classes.
        widths: channels at each resolution; each resolution after the first is half the one before.
        image_channels: 3 for colour, 1 for grey.

    Raises:
        ValueError: no widths, or one below 1.

    Source:
        He et al., Deep residual learning for image recognition, CVPR 2016, section 4.2, cut short and widened.

    Example:
        >>> import torch
        >>> from wasserflow.models.resnet import SmallResNet
        >>> network = SmallResNet()
        >>> network(torch.zeros(2, 3, 32, 32)).shape, network.features(torch.zeros(2, 3, 32, 32)).shape
        (torch.Size([2, 10]), torch.Size([2, 192]))
    """

    def __init__(
        self, classes: int = 10, *, widths: Sequence[int] = (32, 64, 128, 192), image_channels: int = 3
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("widths is empty; give the channels of at least one resolution, such as (32, 64)")
        require_counts(classes=classes, image_channels=image_channels, width=min(widths))
        self.widths, self.image_channels = tuple(widths), image_channels
        layers: list[nn.Module] = [
            nn.Conv2d(image_channels, widths[0], 3, 1, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
            ResidualBlock(widths[0], widths[0]),
        ]
        layers += [ResidualBlock(fan_in, fan_out, stride=2) for fan_in, fan_out in pairwise(widths)]
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(widths[-1], classes)

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Return the pooled activations before the linear layer, `widths[-1]` of them."""
        return self.trunk(x)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Return the logits of the classes."""
        return self.head(self.features(x))
