"""SN-ResNet-GAN: residual networks of images, the critic spectrally normalised (Miyato et al. 2018)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_counts
from wasserflow.models.spectral import normalise_spectrum

Maps = Float[Tensor, "batch channels height width"]


class UpBlock(nn.Module):
    """Doubles the resolution: up(conv(x)) + conv(relu(norm(conv(up(relu(norm(x))))))), 3x3 but for the shortcut.

    The shortcut's 1x1 convolution comes before its upsampling, which gives the same numbers for a quarter of the work.

    Args:
        channels: input channels.
        out_channels: output channels.

    Source:
        Gulrajani et al. (2017), appendix F; Miyato et al., ICLR 2018, figure 8.

    Example:
        >>> import torch
        >>> from wasserflow.models.sn_resnet import UpBlock
        >>> UpBlock(8, 4)(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 4, 8, 8])
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(channels, out_channels, 3, 1, 1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(channels, out_channels, 1), nn.Upsample(scale_factor=2))

    def forward(self, x: Maps) -> Float[Tensor, "batch out rows columns"]:
        """Return the activations of the block."""
        return self.shortcut(x) + self.residual(x)


class DownBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, and maybe half the resolution, by averages.

    Args:
        channels: input channels.
        out_channels: output channels.
        halves: whether the resolution is halved.
        first: whether the input is an image, which no ReLU must cut.
        hidden: channels between the two convolutions; as many as the output's if None.

    Source:
        Gulrajani et al. (2017), appendix F; Miyato et al., ICLR 2018, figure 8.

    Example:
        >>> import torch
        >>> from wasserflow.models.sn_resnet import DownBlock
        >>> DownBlock(4, 8, halves=True)(torch.zeros(1, 4, 8, 8)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self, channels: int, out_channels: int, *, halves: bool, first: bool = False, hidden: int | None = None
    ) -> None:
        super().__init__()
        hidden = hidden or out_channels
        # Out of place: the shortcut reads the same input.
        start: list[nn.Module] = [] if first else [nn.ReLU()]
        end: list[nn.Module] = [nn.AvgPool2d(2)] if halves else []
        two = [nn.Conv2d(channels, hidden, 3, 1, 1), nn.ReLU(), nn.Conv2d(hidden, out_channels, 3, 1, 1)]
        self.residual = nn.Sequential(*start, *two, *end)
        widens = halves or channels != out_channels
        # Averages before a 1x1 convolution are those after it.
        self.shortcut = nn.Sequential(*end, *([nn.Conv2d(channels, out_channels, 1)] if widens else []))

    def forward(self, x: Maps) -> Float[Tensor, "batch out rows columns"]:
        """Return the activations of the block."""
        return self.shortcut(x) + self.residual(x)


class SNResNetGenerator(nn.Module):
    """Turns latents into images: linear, three residual blocks that double the resolution, a convolution and tanh.

    Args:
        channels: channels of every block; 256 in the paper.
        latent_dim: length of a latent.
        image_size: height and width of an image in pixels, a multiple of 8.
        image_channels: 3 for colour, 1 for grey.

    Raises:
        ValueError: image_size is not a multiple of 8, or a size is below 1.

    Source:
        Miyato et al., Spectral normalization for generative adversarial networks, ICLR 2018, table 4.

    Example:
        >>> import torch
        >>> from wasserflow.models import SNResNetGenerator
        >>> SNResNetGenerator(channels=8)(torch.randn(2, 128)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self, channels: int = 256, *, latent_dim: int = 128, image_size: int = 32, image_channels: int = 3
    ) -> None:
        super().__init__()
        require_counts(channels=channels, latent_dim=latent_dim, image_channels=image_channels)
        if image_size < 8 or image_size % 8:
            raise ValueError(f"image_size is {image_size}; it must be a positive multiple of 8")
        coarse = image_size // 8
        self.network = nn.Sequential(
            nn.Linear(latent_dim, channels * coarse**2),
            nn.Unflatten(1, (channels, coarse, coarse)),
            *(UpBlock(channels, channels) for _ in range(3)),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, image_channels, 3, 1, 1),
            nn.Tanh(),
        )
        self.apply(_initialise)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Maps:
        """Return the images of these latents, on [-1, 1]."""
        return self.network(z)


class SNResNetCritic(nn.Module):
    """Tells real images from generated ones; its logit estimates log p_data - log p_model.

    Four residual blocks of spectrally normalised convolutions, the first two of which halve the resolution, ReLU, a sum
    over positions and a linear layer. Any image size will do.

    Args:
        channels: channels of every block; 128 in the paper.
        image_channels: 3 for colour, 1 for grey.

    Raises:
        ValueError: a size below 1.

    Source:
        Miyato et al., Spectral normalization for generative adversarial networks, ICLR 2018, table 4.

    Example:
        >>> import torch
        >>> from wasserflow.models import SNResNetCritic
        >>> critic = SNResNetCritic(channels=8)
        >>> critic(torch.zeros(2, 3, 32, 32)).shape, critic.features(torch.zeros(2, 3, 32, 32)).shape
        (torch.Size([2]), torch.Size([2, 8]))
    """

    def __init__(self, channels: int = 128, *, image_channels: int = 3) -> None:
        super().__init__()
        require_counts(channels=channels, image_channels=image_channels)
        self.trunk = nn.Sequential(
            DownBlock(image_channels, channels, halves=True, first=True),
            DownBlock(channels, channels, halves=True),
            DownBlock(channels, channels, halves=False),
            DownBlock(channels, channels, halves=False),
            nn.ReLU(),
        )
        self.head = nn.Linear(channels, 1)
        self.apply(_initialise)
        self.apply(normalise_spectrum)

    def features(self, x: Maps) -> Float[Tensor, "batch features"]:
        """Return the activations before the linear layer, summed over positions."""
        return self.trunk(x).sum((2, 3))

    def forward(self, x: Maps) -> Float[Tensor, " batch"]:
        """Return the logits of these images, higher for more real."""
        return self.head(self.features(x)).squeeze(1)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        # As in the authors' code: √2 where a ReLU follows, 1 for the 1x1 shortcuts and the last layers.
        inner = isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
        nn.init.xavier_uniform_(module.weight, gain=2**0.5 if inner else 1.0)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
