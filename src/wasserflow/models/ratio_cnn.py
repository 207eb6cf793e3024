"""A small convolutional network that outputs a density ratio, or its logarithm, of small images."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class RatioCNN(nn.Module):
    """Three strided convolutions and a linear layer: a ratio network for slow machines, some 20 times faster.

    Args:
        image_size: height and width in pixels, at least 8.
        width: channels of the first convolution; the second has twice and the third four times as many.
        image_channels: 3 for colour, 1 for grey.
        normalise: spectral norm on every layer.

    Raises:
        ValueError: a smaller image, or a width below 1.

    Source:
        Not in the paper (Heng, Ansari & Soh, arXiv 2303.03714), whose networks for images are `RatioResNet`; the
        strides are those of DCGAN's critic (Radford et al., ICLR 2016), without batch norm.

    Example:
        >>> import torch
        >>> from wasserflow.models import RatioCNN
        >>> RatioCNN(28, width=4, image_channels=1)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])
    """

    def __init__(
        self, image_size: int = 32, width: int = 32, *, image_channels: int = 3, normalise: bool = False
    ) -> None:
        super().__init__()
        if image_size < 8 or width < 1:
            raise ValueError(f"image_size is {image_size} and width {width}; give at least 8 pixels and 1 channel")
        self.image_size, self.width, self.image_channels, self.normalise = image_size, width, image_channels, normalise
        layers: list[nn.Module] = [
            nn.Conv2d(image_channels, width, 4, 2, 1),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.Conv2d(2 * width, 4 * width, 3, 2, 1),
            nn.Linear(4 * width * ((image_size // 4 + 1) // 2) ** 2, 1),
        ]
        first, second, third, head = (spectral_norm(layer) if normalise else layer for layer in layers)
        self.blocks = nn.Sequential(
            first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), third, nn.LeakyReLU(0.2), nn.Flatten()
        )
        self.head = head

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, " batch"]:
        """Return one number an image: r = q / p, or its logarithm, as the loss that trained the network says."""
        return self.head(self.blocks(x)).squeeze(1)
