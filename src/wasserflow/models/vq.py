"""A small vector-quantised autoencoder of images, and its decoder as a generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_counts


def vq_autoencoder(
    codes: int = 512,
    latent_channels: int = 4,
    *,
    widths: Sequence[int] = (16, 32, 64),
    image_size: int = 32,
    image_channels: int = 3,
) -> Any:
    """Build a `diffusers.VQModel` of convolutions, half as fine at each width after the first.

    Args:
        codes: vectors in the codebook.
        latent_channels: length of a code.
        widths: channels at each resolution, multiples of 8.
        image_size: pixels a side.
        image_channels: 3 for colour, 1 for grey.

    Returns:
        The `diffusers.VQModel`, untrained.

    Raises:
        ImportError: diffusers is not installed.
        ValueError: no codes, no latent channels, or widths that are not multiples of 8.

    Source: van den Oord et al. 2017 (arXiv 1711.00937); residual blocks of Esser et al. 2021 (arXiv 2012.09841).

    Example:
        >>> import torch, wasserflow as wf
        >>> vq = wf.models.vq_autoencoder(codes=16)
        >>> vq.encode(torch.zeros(2, 3, 32, 32)).latents.shape
        torch.Size([2, 4, 8, 8])
    """
    try:
        from diffusers import VQModel
    except ImportError as error:
        raise ImportError("this model is one of diffusers; install wasserflow[diffusers]") from error
    require_counts(codes=codes, latent_channels=latent_channels, image_channels=image_channels)
    if not widths or any(width < 8 or width % 8 for width in widths):
        raise ValueError(f"widths is {widths}; give at least one, each a positive multiple of 8")
    return VQModel(
        in_channels=image_channels,
        out_channels=image_channels,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=tuple(widths),
        latent_channels=latent_channels,
        sample_size=image_size,
        num_vq_embeddings=codes,
        norm_num_groups=8,
        mid_block_add_attention=False,
    )


class VQDecoder(nn.Module):
    """The decoder of a `diffusers.VQModel` on latents as they are, so that gradients reach vectors between the codes.

    What lies outside [-1, 1] is clipped, as it is in a stored image, and gets no gradient.

    Args:
        vq: the autoencoder; shared, not copied.

    Example:
        >>> import torch, wasserflow as wf
        >>> decoder = wf.models.VQDecoder(wf.models.vq_autoencoder(codes=16)).eval()
        >>> decoder(torch.zeros(2, 4, 8, 8)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, vq: Any) -> None:
        super().__init__()
        self.vq = vq
        self.training = vq.training

    def forward(self, z: Float[Tensor, "batch latent rows columns"]) -> Float[Tensor, "batch channels height width"]:
        """Decode (batch, latent, rows, columns) vectors to images on [-1, 1], without quantising them."""
        return self.vq.decode(z, force_not_quantize=True).sample.clamp(-1, 1)
