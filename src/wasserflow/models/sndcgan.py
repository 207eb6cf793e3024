"""SN-DCGAN: the small convolutional GAN whose critic is spectrally normalised (Miyato et al. 2018)."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_counts
from wasserflow.models.spectral import normalise_spectrum

_LEAK = 0.1


class SNDCGANGenerator(nn.Module):
    """Turns latents into images: linear, three stride-2 up-convolutions with batch norm, a convolution and tanh.

    As in the authors' code the linear layer has a batch norm and a ReLU of its own, which the paper's table omits.

    Args:
        channels: channels at the coarsest resolution, a multiple of 8, halved by each up-convolution; 512 in the paper.
        latent_dim: length of a latent.
        image_size: height and width of an image in pixels, a multiple of 8.
        image_channels: 3 for colour, 1 for grey.

    Raises:
        ValueError: channels or image_size is not a multiple of 8, or latent_dim or image_channels below 1.

    Source:
        Miyato et al., Spectral normalization for generative adversarial networks, ICLR 2018, table 3.

    Example:
        >>> import torch
        >>> SNDCGANGenerator(channels=16)(torch.randn(2, 128)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self, channels: int = 512, *, latent_dim: int = 128, image_size: int = 32, image_channels: int = 3
    ) -> None:
        super().__init__()
        _check_multiple_of_8(channels=channels, image_size=image_size)
        require_counts(latent_dim=latent_dim, image_channels=image_channels)
        coarse = image_size // 8
        widths = [channels, channels // 2, channels // 4, channels // 8]
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, channels * coarse**2),
            nn.Unflatten(1, (channels, coarse, coarse)),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.ConvTranspose2d(fan_in, fan_out, 4, 2, 1), nn.BatchNorm2d(fan_out), nn.ReLU()]
        layers += [nn.Conv2d(widths[-1], image_channels, 3, 1, 1), nn.Tanh()]
        self.network = nn.Sequential(*layers)
        self.network.apply(_initialise)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch channels height width"]:
        """Return the images of these latents, on [-1, 1]."""
        return self.network(z)


class SNDCGANCritic(nn.Module):
    """Tells real images from generated ones; its logit estimates log p_data - log p_model.

    Seven spectrally normalised convolutions, 3x3 and (for the stride of 2) 4x4 by turns, leaky ReLU of 0.1, and a
    linear layer.

    Args:
        channels: channels at the coarsest resolution, a multiple of 8. The paper has 512.
        image_size: height and width of an image in pixels, a multiple of 8.
        image_channels: 3 for colour, 1 for grey.
        normalise: whether weights are spectrally normalised; a critic with gradient penalty has its slope from there.

    Raises:
        ValueError: channels or image_size is not a multiple of 8, or image_channels below 1.

    Source:
        Miyato et al., Spectral normalization for generative adversarial networks, ICLR 2018, table 3.

    Example:
        >>> import torch
        >>> critic = SNDCGANCritic(channels=16)
        >>> critic(torch.zeros(2, 3, 32, 32)).shape, critic.features(torch.zeros(2, 3, 32, 32)).shape
        (torch.Size([2]), torch.Size([2, 256]))
    """

    def __init__(
        self, channels: int = 512, *, image_size: int = 32, image_channels: int = 3, normalise: bool = True
    ) -> None:
        super().__init__()
        _check_multiple_of_8(channels=channels, image_size=image_size)
        require_counts(image_channels=image_channels)
        self.channels = channels
        c8, c4, c2 = channels // 8, channels // 4, channels // 2
        fan_in = image_channels
        layers: list[nn.Module] = []
        for index, fan_out in enumerate([c8, c8, c4, c4, c2, c2, channels]):
            halves = index % 2 == 1
            layers += [nn.Conv2d(fan_in, fan_out, 4 if halves else 3, 2 if halves else 1, 1), nn.LeakyReLU(_LEAK)]
            fan_in = fan_out
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(channels * (image_size // 8) ** 2, 1)
        # Of weights of std 0.02 only the direction matters when they are normalised; else they would swallow a signal.
        for initialise in (_initialise, normalise_spectrum) if normalise else (_keep_size,):
            self.apply(initialise)

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Return the flattened activations before the linear layer, 16 x channels of them for 32 x 32 images."""
        return self.trunk(x)

    def pooled_features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Return the same, averaged over positions: `channels` of them."""
        return self.features(x).unflatten(1, (self.channels, -1)).mean(2)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, " batch"]:
        """Return the logits of these images, higher for more real."""
        return self.head(self.features(x)).squeeze(1)


def _check_multiple_of_8(**values: int) -> None:
    for name, value in values.items():
        if value < 8 or value % 8:
            raise ValueError(f"{name} is {value}; it must be a positive multiple of 8")


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _keep_size(module: nn.Module) -> None:
    """He's weights, through which activations keep their size."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight, a=_LEAK)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
