"""Up-convolutions from a latent to an image: the generator that VAE, MMD-GAN and OCF-GAN share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_counts


class UpconvGenerator(nn.Module):
    """Turns latents into images: up-convolutions with batch norm and ReLU, the last one to the image with tanh.

    The first makes the coarsest map of the latent, each further one doubles the resolution. Where an image's size is no
    multiple of the coarsest map's, resolutions are halves rounded up: 4, 7, 14 and 28 for digits.

    Args:
        latent_dim: length of a latent.
        widths: channels of all maps but the image, the coarsest first.
        image_size: height and width of an image in pixels, at least 2^len(widths).
        image_channels: 3 for colour, 1 for grey.

    Raises:
        ValueError: the image is too small, or a width or latent_dim below 1.

    Source:
        Ansari et al., Refining deep generative models via discriminator gradient flow, ICLR 2021, table 6.

    Example:
        >>> import torch
        >>> from wasserflow.models import UpconvGenerator
        >>> UpconvGenerator(latent_dim=32, widths=(16, 8, 4), image_size=28)(torch.randn(2, 32)).shape
        torch.Size([2, 3, 28, 28])
    """

    def __init__(
        self,
        latent_dim: int = 64,
        widths: Sequence[int] = (256, 128, 64),
        *,
        image_size: int = 32,
        image_channels: int = 3,
    ) -> None:
        super().__init__()
        sizes = resolutions(image_size, len(widths))
        require_counts(latent_dim=latent_dim, image_channels=image_channels, width=min(widths))
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, widths[0], sizes[-1], bias=False),
        ]
        fans = pairwise([*widths, image_channels])
        for (fan_in, fan_out), size in zip(fans, sizes[-2::-1], strict=True):
            kernel = 4 - size % 2  # of 4 doubles a size, of 3 makes one less of it
            layers += [nn.BatchNorm2d(fan_in), nn.ReLU()]
            layers += [nn.ConvTranspose2d(fan_in, fan_out, kernel, 2, 1, bias=size == image_size)]
        self.network = nn.Sequential(*layers, nn.Tanh())
        self.network.apply(dcgan_weights)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch channels height width"]:
        """Return the images of these latents, on [-1, 1]."""
        return self.network(z)


def resolutions(image_size: int, halvings: int) -> list[int]:
    """Sizes of an image halved so many times, rounded up, the image's own first."""
    if halvings < 1:
        raise ValueError("widths is empty; give the channels of at least one map, such as (256, 128, 64)")
    if image_size < 2**halvings:
        raise ValueError(
            f"image_size is {image_size}, which cannot be halved {halvings} times; "
            f"it must be at least {2**halvings}, or there must be fewer widths"
        )
    sizes = [image_size]
    for _ in range(halvings):
        sizes.append((sizes[-1] + 1) // 2)
    return sizes


def dcgan_weights(module: nn.Module) -> None:
    """Draw the weights of a convolution as DCGAN does (Radford et al. 2016): std 0.02, no bias."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
