"""Self-attention between the pixels of an image."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.parametrizations import spectral_norm


class ImageAttention(nn.Module):
    """x + gain · attention(x), each pixel looking at all others; the gain begins at 0.

    Args:
        channels: of the images; keys and queries have an eighth of them.
        normalise: spectral norm on its three projections.

    Source:
        Zhang et al., Self-attention generative adversarial networks, ICML 2019, section 3.

    Example:
        >>> import torch
        >>> from wasserflow.models.image_attention import ImageAttention
        >>> ImageAttention(16)(torch.zeros(1, 16, 4, 4)).shape
        torch.Size([1, 16, 4, 4])
    """

    def __init__(self, channels: int, normalise: bool = False) -> None:
        super().__init__()
        narrow = max(1, channels // 8)
        self.query, self.key = _projection(channels, narrow, normalise), _projection(channels, narrow, normalise)
        self.value = _projection(channels, channels, normalise)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """Return the images with what each pixel saw elsewhere."""
        query, key, value = (part(x).flatten(2).mT for part in (self.query, self.key, self.value))
        seen = scaled_dot_product_attention(query, key, value)
        return x + self.gain * seen.mT.reshape(x.shape)


def _projection(channels: int, out_channels: int, normalise: bool) -> nn.Module:
    projection = nn.Conv2d(channels, out_channels, 1)
    return spectral_norm(projection) if normalise else projection
