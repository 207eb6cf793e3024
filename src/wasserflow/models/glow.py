"""Glow: an invertible network between normal latents and images, with the density of every image."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from wasserflow.checks import check_images, require_counts


class Glow(nn.Module):
    """Turns flat normal latents into images and back; the flow is `normflows.MultiscaleFlow` of `normflows.GlowBlock`.

    log p(x) = log N(z; 0, I) + log |det dz/dx|, with z = f(logit(0.05 + 0.9 (x + 1) / 2)). Two things differ from the
    paper so that latents may move anywhere: the logit keeps images bounded, and couplings multiply by a sigmoid on the
    way to the image instead of dividing by it, which overflows at latents unlike those of the data.

    Args:
        image_size: height and width of an image in pixels, a multiple of 2^levels.
        image_channels: 3 for colour, 1 for grey.
        levels: resolutions, each half as fine as the one before; half of the numbers leave after each but the last.
        depth: steps of activation norm, invertible 1x1 convolution and affine coupling at each level.
        width: channels of the hidden layers of a coupling.
        temperature: factor of the latents in `forward`; below 1 samples are nearer to the mode. Densities are those of
            the model itself, at 1.

    Raises:
        ValueError: an image that cannot be halved so often, sizes below 1, or a temperature that is not positive.
        ImportError: normflows is not installed.

    Source:
        Kingma and Dhariwal, Glow: generative flow with invertible 1x1 convolutions, NeurIPS 2018; the logit of Dinh et
        al., Density estimation using Real NVP, ICLR 2017, section 4.1.

    Example:
        >>> import torch
        >>> from wasserflow.models import Glow
        >>> glow = Glow(image_size=8, levels=2, depth=1, width=4)
        >>> x = glow(torch.randn(2, 3 * 8 * 8))
        >>> x.shape, glow.log_prob(x).shape
        (torch.Size([2, 3, 8, 8]), torch.Size([2]))
    """

    def __init__(
        self,
        image_size: int = 32,
        image_channels: int = 3,
        *,
        levels: int = 3,
        depth: int = 8,
        width: int = 64,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        _check(image_size, levels, image_channels=image_channels, levels=levels, depth=depth, width=width)
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature is {temperature}; it must be positive and finite")
        self.temperature = temperature
        self.shape = (image_channels, image_size, image_size)
        self.flow, self.latent_shapes = _multiscale(image_size, image_channels, levels, depth, width)
        # normflows would else take the first batch that it meets, be it noise, for training data.
        self._mark_activation_norms(1.0)

    @property
    def latent_dim(self) -> int:
        """Length of a latent: the numbers of an image."""
        return math.prod(self.shape)

    @torch.no_grad()
    def initialise(self, images: Float[Tensor, "batch channels height width"]) -> None:
        """Set every activation norm so that these images have zero mean and unit variance after it.

        Args:
            images: (batch, channels, height, width) on [-1, 1], some hundreds.
        """
        self._mark_activation_norms(0.0)
        self.log_prob(images)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch channels height width"]:
        """Return the images of these latents, on [-1, 1]; they are clipped in the margins of the logit."""
        return self.decode(z).clamp(-1, 1)

    def decode(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch channels height width"]:
        """Return the same before clipping, which reaches a ninth beyond [-1, 1]; the inverse of `encode`."""
        parts = (self.temperature * z).split([math.prod(shape) for shape in self.latent_shapes], dim=1)
        images, _ = self.flow.forward_and_log_det(
            [part.unflatten(1, shape) for part, shape in zip(parts, self.latent_shapes, strict=True)]
        )
        return 2 * images - 1

    def encode(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch latent"]:
        """Return the latents of images on [-1, 1]."""
        check_images(x)
        parts, _ = self.flow.inverse_and_log_det((x + 1) / 2)
        return torch.cat([part.flatten(1) for part in parts], dim=1) / self.temperature

    def log_prob(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, " batch"]:
        """Return the log-densities of images on [-1, 1], in nats."""
        check_images(x)
        return self.flow.log_prob((x + 1) / 2, None) - self.latent_dim * math.log(2)

    def _mark_activation_norms(self, initialised: float) -> None:
        for name, buffer in self.named_buffers():
            if name.endswith("data_dep_init_done"):
                buffer.fill_(initialised)


class _Squeeze(nn.Module):
    """2x2 pixels to four channels and back, for any memory layout, which normflows' own is not."""

    def forward(self, z: Tensor) -> tuple[Tensor, float]:
        return pixel_shuffle(z, 2), 0.0

    def inverse(self, x: Tensor) -> tuple[Tensor, float]:
        return pixel_unshuffle(x, 2), 0.0


def _multiscale(
    image_size: int, image_channels: int, levels: int, depth: int, width: int
) -> tuple[Any, list[tuple[int, int, int]]]:
    """The flow and the shapes of its latents, the coarsest first, as normflows counts levels."""
    try:
        import normflows
    except ImportError as error:
        raise ImportError("Glow is built of normflows; install wasserflow[glow]") from error
    flows, shapes = [], []
    for halvings in range(levels, 0, -1):
        channels, size = image_channels * 2 ** (halvings + 1), image_size // 2**halvings
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.lu is deprecated")
            steps = [normflows.flows.GlowBlock(channels, width, scale_map="sigmoid_inv") for _ in range(depth)]
        flows.append([*steps, _Squeeze()])
        shapes.append((channels if halvings == levels else channels // 2, size, size))
    bases = [normflows.distributions.DiagGaussian(shape, trainable=False) for shape in shapes]
    merges = [normflows.flows.Merge() for _ in shapes[1:]]
    flow = normflows.MultiscaleFlow(bases, flows, merges, normflows.transforms.Logit(0.05), class_cond=False)
    return flow, shapes


def _check(image_size: int, halvings: int, **sizes: int) -> None:
    require_counts(**sizes)
    if image_size < 1 or image_size % 2**halvings:
        raise ValueError(
            f"image_size is {image_size}, which cannot be halved {halvings} times; "
            f"give a multiple of {2**halvings}, or fewer levels"
        )
