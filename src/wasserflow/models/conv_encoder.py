"""Convolutions from an image down to a vector: an encoder, or a critic with a vector of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_counts
from wasserflow.models.upconv import dcgan_weights, resolutions


class ConvEncoder(nn.Module):
    """Turns images into vectors: stride-2 convolutions with leaky ReLU of 0.2, the last over all that is left.

    It is the encoder of a VAE, and the vector critic of MMD-GAN and OCF-GAN. The middle convolutions have batch norm.

    Args:
        outputs: length of the vectors.
        widths: channels of all maps but the image, the finest first.
        image_size: height and width of an image in pixels, at least 2^len(widths).
        image_channels: 3 for colour, 1 for grey.
        batch_norm: whether all maps but the first have batch norm; a critic with gradient penalty must not.

    Raises:
        ValueError: the image is too small, or a width or outputs below 1.

    Source:
        Ansari et al., Refining deep generative models via discriminator gradient flow, ICLR 2021, table 6.

    Example:
        >>> import torch
        >>> from wasserflow.models import ConvEncoder
        >>> ConvEncoder(outputs=128, widths=(4, 8, 16))(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 128])
    """

    def __init__(
        self,
        outputs: int = 128,
        widths: Sequence[int] = (64, 128, 256),
        *,
        image_size: int = 32,
        image_channels: int = 3,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        sizes = resolutions(image_size, len(widths))
        require_counts(outputs=outputs, image_channels=image_channels, width=min(widths))
        layers: list[nn.Module] = []
        for index, (fan_in, fan_out) in enumerate(pairwise([image_channels, *widths])):
            normalised = batch_norm and index > 0
            kernel = 4 - sizes[index] % 2  # the generator's, so that sizes are the same
            layers.append(nn.Conv2d(fan_in, fan_out, kernel, 2, 1, bias=not normalised))
            if normalised:
                layers.append(nn.BatchNorm2d(fan_out))
            layers.append(nn.LeakyReLU(0.2))
        layers += [nn.Conv2d(widths[-1], outputs, sizes[-1]), nn.Flatten()]
        self.network = nn.Sequential(*layers)
        self.network.apply(dcgan_weights)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        """Return the vectors of these images."""
        return self.network(x)
