"""The DCGAN critic of chainer-gan-lib, with or without spectral normalisation: that of published SN-DCGAN and WGAN."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.models.spectral import normalise_spectrum

_LEAK = 0.2


class DCGANCritic(nn.Module):
    """Tells real images from generated ones; its logit, or score, estimates log p_data - log p_model.

    Seven convolutions, 3x3 and (for the stride of 2) 4x4 by turns, leaky ReLU of 0.2, and a linear layer. It widens one
    layer earlier than `wf.models.SNDCGANCritic`, which follows the paper's table.

    Args:
        channels: channels at the coarsest resolution, a multiple of 8; 512 in the published files.
        image_size: height and width of an image in pixels, a multiple of 8.
        image_channels: 3 for colour, 1 for grey.
        normalise: whether weights are spectrally normalised.

    Raises:
        ValueError: channels or image_size is not a multiple of 8.

    Source:
        pfnet-research/chainer-gan-lib, `SNDCGANDiscriminator` and `WGANDiscriminator`.

    Example:
        >>> import torch
        >>> critic = DCGANCritic(channels=16)
        >>> critic(torch.zeros(2, 3, 32, 32)).shape, critic.features(torch.zeros(2, 3, 32, 32)).shape
        (torch.Size([2]), torch.Size([2, 256]))
    """

    def __init__(
        self, channels: int = 512, *, image_size: int = 32, image_channels: int = 3, normalise: bool = True
    ) -> None:
        super().__init__()
        for name, value in (("channels", channels), ("image_size", image_size)):
            if value < 8 or value % 8:
                raise ValueError(f"{name} is {value}; it must be a positive multiple of 8")
        layers: list[nn.Module] = []
        fan_in = image_channels
        for index, part in enumerate((8, 4, 4, 2, 2, 1, 1)):
            size, stride = (4, 2) if index % 2 else (3, 1)
            layers += [nn.Conv2d(fan_in, channels // part, size, stride, 1), nn.LeakyReLU(_LEAK)]
            fan_in = channels // part
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(channels * (image_size // 8) ** 2, 1)
        if normalise:
            self.apply(normalise_spectrum)

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Return the flattened activations before the linear layer."""
        return self.trunk(x)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, " batch"]:
        """Return the logits of these images, higher for more real."""
        return self.head(self.features(x)).squeeze(1)
