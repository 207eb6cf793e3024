"""The character-level generator and critic of WGAN-GP: residual convolutions along the line."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class ResidualConvolution(nn.Module):
    """x + 0.3 · conv(relu(conv(relu(x)))), convolutions of 5 characters.

    Args:
        width: channels.

    Source:
        Gulrajani et al. (2017), appendix on language models.

    Example:
        >>> import torch
        >>> from wasserflow.models.char_gan import ResidualConvolution
        >>> ResidualConvolution(8)(torch.zeros(2, 8, 32)).shape
        torch.Size([2, 8, 32])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.ReLU(), nn.Conv1d(width, width, 5, padding=2), nn.ReLU(), nn.Conv1d(width, width, 5, padding=2)
        )

    def forward(self, x: Float[Tensor, "batch width length"]) -> Float[Tensor, "batch width length"]:
        """Return the activations of the block."""
        return x + 0.3 * self.residual(x)


class CharacterGenerator(nn.Module):
    """Maps latents to lines: a linear layer, five residual blocks, and a softmax over the characters.

    Args:
        characters: how many there are.
        width: channels; 512 in the paper.
        length: characters in a line.
        latent_dim: length of a latent.

    Source:
        Gulrajani et al. (2017), appendix on language models; DGflow (arXiv 2012.00780), appendix D.3.

    Example:
        >>> import torch
        >>> from wasserflow.models import CharacterGenerator
        >>> lines = CharacterGenerator(10, width=8)(torch.zeros(2, 128))
        >>> lines.shape, round(float(lines[0, 0].sum()), 4)
        (torch.Size([2, 32, 10]), 1.0)
    """

    def __init__(self, characters: int, width: int = 512, *, length: int = 32, latent_dim: int = 128) -> None:
        super().__init__()
        self.start = nn.Sequential(nn.Linear(latent_dim, width * length), nn.Unflatten(1, (width, length)))
        self.blocks = nn.Sequential(*(ResidualConvolution(width) for _ in range(5)))
        self.end = nn.Conv1d(width, characters, 1)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch length characters"]:
        """Return the probabilities of the characters at each place of (batch, latent) latents' lines."""
        return self.end(self.blocks(self.start(z))).softmax(dim=1).transpose(1, 2)


class CharacterCritic(nn.Module):
    """Maps lines, as probabilities of characters, to scores, higher for more real: five residual blocks and a sum.

    Args:
        characters: how many there are.
        width: channels; 512 in the paper.
        length: characters in a line.

    Source:
        Gulrajani et al. (2017), appendix on language models.

    Example:
        >>> import torch
        >>> from wasserflow.models import CharacterCritic
        >>> CharacterCritic(10, width=8)(torch.zeros(2, 32, 10)).shape
        torch.Size([2])
    """

    def __init__(self, characters: int, width: int = 512, *, length: int = 32) -> None:
        super().__init__()
        self.start = nn.Conv1d(characters, width, 1)
        self.blocks = nn.Sequential(*(ResidualConvolution(width) for _ in range(5)), nn.Flatten())
        self.head = nn.Linear(width * length, 1)

    def features(self, x: Float[Tensor, "batch length characters"]) -> Float[Tensor, "batch features"]:
        """Return the activations before the last layer."""
        return self.blocks(self.start(x.transpose(1, 2)))

    def forward(self, x: Float[Tensor, "batch length characters"]) -> Float[Tensor, " batch"]:
        """Return the scores of (batch, length, characters) lines."""
        return self.head(self.features(x)).squeeze(1)
