"""Residual networks that output a density ratio, or its logarithm, of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from wasserflow.checks import require_counts
from wasserflow.models.image_attention import ImageAttention

Layer = tuple[str, int]
Size = Literal["32", "64", "128", "64 with attention"]

_STAGE: list[Layer] = [("down", 8), ("block", 8), ("block", 8)]
_LAST: list[Layer] = [("block", 4), ("down", 8), ("block", 8), ("down", 8), ("block", 8)]
# Channels of the first convolution, and kind and channels of each layer, in eighths of the widest layer's.
_LAYOUTS: dict[Size, tuple[int, list[Layer]]] = {
    "32": (4, [("block", 4)] * 3 + _STAGE * 3),
    "64": (2, [("down", 2), ("down", 4), *_LAST]),
    "128": (2, [("down", 2), ("down", 4), ("down", 4), *_LAST]),
    "64 with attention": (2, [("down", 2), ("down", 4), ("attention", 4), ("down", 4), ("down", 8)]),
}


class RatioBlock(nn.Module):
    """Two 3x3 convolutions after leaky ReLUs beside a shortcut, without norm; halves the resolution where asked.

    Args:
        channels: input channels.
        out_channels: output channels.
        down: average 2x2 pixels at the end.
        normalise: divide each convolution's weight by its largest singular value.

    Example:
        >>> import torch
        >>> from wasserflow.models.ratio_resnet import RatioBlock
        >>> RatioBlock(4, 8, down=True)(torch.zeros(1, 4, 6, 6)).shape
        torch.Size([1, 8, 3, 3])
    """

    def __init__(self, channels: int, out_channels: int, down: bool = False, normalise: bool = False) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.LeakyReLU(0.2),
            _convolution(channels, out_channels, 3, normalise),
            nn.LeakyReLU(0.2),
            _convolution(out_channels, out_channels, 3, normalise),
        )
        same = channels == out_channels
        self.shortcut = nn.Identity() if same else _convolution(channels, out_channels, 1, normalise)
        self.pool = nn.AvgPool2d(2) if down else nn.Identity()

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out rows columns"]:
        """Return the activations of the block."""
        return self.pool(self.shortcut(x) + self.residual(x))


class RatioResNet(nn.Module):
    """The ratio network of FDRL: a convolution, residual blocks without batch norm, mean over pixels, a linear layer.

    Args:
        size: the images' height and width, which chooses the published layout: `32`, `64`, `128`, or the
            shallow `64 with attention` for small data sets.
        width: an eighth of the channels of the widest layer; 32 is published.
        image_channels: 3 for colour, 1 for grey.
        normalise: spectral norm on every layer, as in the authors' code.

    Raises:
        ValueError: another size, or a width below 1.

    Source:
        Heng, Ansari & Soh (arXiv 2303.03714), table 3.

    Example:
        >>> import torch
        >>> from wasserflow.models import RatioResNet
        >>> RatioResNet("32", width=2)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2])
    """

    def __init__(self, size: Size = "32", width: int = 32, *, image_channels: int = 3, normalise: bool = False) -> None:
        super().__init__()
        if size not in _LAYOUTS:
            raise ValueError(f"size is {size!r}; there are layouts for {', '.join(map(repr, _LAYOUTS))}")
        require_counts(width=width)
        self.size, self.width, self.image_channels, self.normalise = size, width, image_channels, normalise
        stem, layout = _LAYOUTS[size]
        self.stem = _convolution(image_channels, stem * width, 3, normalise)
        self.blocks = nn.Sequential(*_layers(stem, layout, width, normalise), nn.LeakyReLU(0.2))
        head = nn.Linear(layout[-1][1] * width, 1)
        self.head = spectral_norm(head) if normalise else head

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, " batch"]:
        """Return one number an image: r = q / p, or its logarithm, as the loss that trained the network says."""
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3))).squeeze(1)


def _layers(stem: int, layout: Sequence[Layer], width: int, normalise: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = stem * width
    for kind, multiple in layout:
        if kind == "attention":
            layers.append(ImageAttention(channels, normalise))
        else:
            layers.append(RatioBlock(channels, multiple * width, kind == "down", normalise))
        channels = multiple * width
    return layers


def _convolution(channels: int, out_channels: int, size: int, normalise: bool) -> nn.Module:
    convolution = nn.Conv2d(channels, out_channels, size, padding=size // 2)
    return spectral_norm(convolution) if normalise else convolution
