"""Class-conditional SN-ResNet-GAN: conditional batch norm, and a critic that projects on the class."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float, Int64
from torch import Tensor, nn

from wasserflow.models.sn_resnet import DownBlock
from wasserflow.models.spectral import normalise_spectrum

Maps = Float[Tensor, "batch channels height width"]
Labels = Int64[Tensor, " batch"]


class ClassBatchNorm(nn.Module):
    """Batch norm whose scale and shift are those of the class: γ_y (x - mean) / sqrt(variance + ε) + β_y.

    Args:
        channels: of its input.
        classes: how many there are.

    Source: Dumoulin et al. 2017 (arXiv 1610.07629).

    Example:
        >>> import torch
        >>> from wasserflow.models.class_resnet import ClassBatchNorm
        >>> ClassBatchNorm(3, classes=2).eval()(torch.zeros(1, 3, 2, 2), torch.tensor([1])).shape
        torch.Size([1, 3, 2, 2])
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale, self.shift = nn.Embedding(classes, channels), nn.Embedding(classes, channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Maps, labels: Labels) -> Maps:
        """Normalise the activations of samples of these classes."""
        return self.scale(labels)[..., None, None] * self.norm(x) + self.shift(labels)[..., None, None]


class ClassUpBlock(nn.Module):
    """`wasserflow.models.sn_resnet.UpBlock` with batch norms of the class.

    Args:
        channels: input channels.
        out_channels: output channels.
        classes: how many there are.

    Example:
        >>> import torch
        >>> from wasserflow.models.class_resnet import ClassUpBlock
        >>> ClassUpBlock(8, 4, classes=2)(torch.zeros(1, 8, 4, 4), torch.tensor([1])).shape
        torch.Size([1, 4, 8, 8])
    """

    def __init__(self, channels: int, out_channels: int, classes: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([ClassBatchNorm(channels, classes), ClassBatchNorm(out_channels, classes)])
        self.widen = nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(channels, out_channels, 3, 1, 1))
        self.mix = nn.Sequential(nn.ReLU(), nn.Conv2d(out_channels, out_channels, 3, 1, 1))
        self.shortcut = nn.Sequential(nn.Conv2d(channels, out_channels, 1), nn.Upsample(scale_factor=2))

    def forward(self, x: Maps, labels: Labels) -> Float[Tensor, "batch out rows columns"]:
        """Return the activations of the block."""
        residual = self.widen(self.norms[0](x, labels))
        return self.shortcut(x) + self.mix(self.norms[1](residual, labels))


class ClassResNetGenerator(nn.Module):
    """Turns latents and classes into images: linear, residual blocks that double the resolution, a convolution, tanh.

    `wf.models.bind_label(generator, label)` makes it a function of the latents.

    Args:
        widths: channels before the first block and after each; ch x (16, 16, 8, 4, 2, 1) for 128 pixels as published.
        classes: how many there are.
        latent_dim: length of a latent.
        coarse: height and width before the first block.
        image_channels: 3 for colour, 1 for grey.

    Source:
        Miyato & Koyama, cGANs with projection discriminator, ICLR 2018, appendix.

    Example:
        >>> import torch, wasserflow as wf
        >>> generator = wf.models.ClassResNetGenerator((8, 8, 4), classes=3)
        >>> wf.models.bind_label(generator, 2)(torch.randn(2, 128)).shape
        torch.Size([2, 3, 16, 16])
    """

    def __init__(
        self, widths: Sequence[int], classes: int, *, latent_dim: int = 128, coarse: int = 4, image_channels: int = 3
    ) -> None:
        super().__init__()
        self.start = nn.Sequential(
            nn.Linear(latent_dim, widths[0] * coarse**2), nn.Unflatten(1, (widths[0], coarse, coarse))
        )
        self.blocks = nn.ModuleList(ClassUpBlock(fan_in, fan_out, classes) for fan_in, fan_out in pairwise(widths))
        self.end = nn.Sequential(
            nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.Conv2d(widths[-1], image_channels, 3, 1, 1), nn.Tanh()
        )

    def forward(self, z: Float[Tensor, "batch latent"], labels: Labels) -> Maps:
        """Return the images of these latents and classes, on [-1, 1]."""
        x = self.start(z)
        for block in self.blocks:
            x = block(x, labels)
        return self.end(x)


class ProjectionCritic(nn.Module):
    """Tells real images of a class from generated ones: logit(x, y) = linear(h) + <embedding(y), h>, h = features(x).

    Residual blocks of spectrally normalised convolutions, ReLU, and a sum over positions. Without labels the logit is
    linear(h) alone, which is an energy of all classes only where it was trained as one.

    Args:
        widths: channels after each block; the blocks after `halvings` keep the resolution.
        classes: how many there are.
        halvings: how many blocks halve the resolution, from the first on.
        image_channels: 3 for colour, 1 for grey.

    Source:
        Miyato & Koyama, cGANs with projection discriminator, ICLR 2018, eq. 4.

    Example:
        >>> import torch, wasserflow as wf
        >>> critic = wf.models.ProjectionCritic((4, 8, 8), classes=3, halvings=2)
        >>> wf.models.bind_label(critic, 2)(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2])
    """

    def __init__(self, widths: Sequence[int], classes: int, *, halvings: int, image_channels: int = 3) -> None:
        super().__init__()
        blocks: list[nn.Module] = [DownBlock(image_channels, widths[0], halves=True, first=True)]
        for index, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
            blocks.append(DownBlock(fan_in, fan_out, halves=index < halvings, hidden=fan_in))
        self.trunk = nn.Sequential(*blocks, nn.ReLU())
        self.head, self.embedding = nn.Linear(widths[-1], 1), nn.Embedding(classes, widths[-1])
        self.apply(normalise_spectrum)

    def features(self, x: Maps) -> Float[Tensor, "batch features"]:
        """Return the activations before the linear layer, summed over positions."""
        return self.trunk(x).sum((2, 3))

    def forward(self, x: Maps, labels: Labels | None = None) -> Float[Tensor, " batch"]:
        """Return the logits of these images, as images of these classes, higher for more real."""
        h = self.features(x)
        logit = self.head(h).squeeze(1)
        return logit if labels is None else logit + (self.embedding(labels) * h).sum(1)
