"""The distance to the codes of a vector-quantised autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wasserflow.potentials.potential import Potential
from wasserflow.spaces import Codebook
from wasserflow.spaces.space import sum_event


@dataclass(frozen=True, eq=False)
class CodebookPenalty(Potential):
    """Σ_i ‖z_i - e_i‖², e_i the code nearest to the vector z_i: keeps latents where the decoder was trained.

    The gradient 2 (z_i - e_i) goes through z only; multiply by a number for the weight α. The step size times α should
    stay below 1: beyond it a step overshoots the codes, at 2 or more it diverges.

    Args:
        codebook: the codes.

    Raises:
        ValueError: when called, latents with another number of channels than the codes.

    Source: Zhou et al., appendix, text-to-image generation with a VQ-VAE.

    Example:
        >>> import torch, wasserflow as wf
        >>> codebook = wf.spaces.Codebook(torch.tensor([[0.0, 0.0], [4.0, 0.0]]))
        >>> (10 * wf.potentials.CodebookPenalty(codebook))(torch.tensor([[3.0, 1.0]]))
        tensor([20.])
    """

    codebook: Codebook

    def __call__(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, " batch"]:
        """Evaluate the squared distance of (batch, channels, *positions) latents, summed over the positions."""
        return sum_event((x - self.codebook.quantise(x)).square())
