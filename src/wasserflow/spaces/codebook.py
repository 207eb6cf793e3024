"""The codes of a vector-quantised autoencoder, among which its latents live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wasserflow.seeds import Seed
from wasserflow.spaces.space import blank, event_shape, noise_like

Codes = Float[Tensor, "codes channels"]
Latents = Float[Tensor, "batch channels *positions"]

_CHUNK = 2**22  # distances held at once: 16 MB in float32


@dataclass(frozen=True, eq=False)
class Codebook:
    """Latents whose every position holds one of a few codes: the product of a finite set in R^channels.

    Flows move continuous vectors: leave `space` out, lower `wf.potentials.CodebookPenalty` and quantise at the end.
    Given to a flow as its `space`, every position jumps to its nearest code after every step.

    Args:
        vq: a `diffusers.VQModel` (or any module with the codes in `.quantize.embedding.weight`), or the codes
            themselves, (codes, channels). A model's codes are read when they are needed, so they follow its training.
        shape: the positions of one sample, such as (8, 8); needed by `sample` only.

    Raises:
        TypeError: neither a tensor of codes nor a module which has them.
        ValueError: codes that are not a finite matrix (codes, channels), or a size below 1.

    Source: van den Oord et al. 2017 (arXiv 1711.00937), eq. 1.

    Example:
        >>> import torch, wasserflow as wf
        >>> codebook = wf.spaces.Codebook(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        >>> codebook.project(torch.tensor([[0.9, 0.6]]))
        tensor([[1., 1.]])
    """

    vq: nn.Module | Tensor
    shape: int | Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.shape is not None:
            object.__setattr__(self, "shape", event_shape(self.shape))
        codes = self._weights()
        if codes.ndim != 2 or codes.numel() == 0 or not codes.isfinite().all():
            raise ValueError(f"the codes have shape {tuple(codes.shape)}; give a finite matrix (codes, channels)")

    @property
    def codes(self) -> Codes:
        """(codes, channels), detached: flows never train a codebook."""
        return self._weights().detach()

    def _weights(self) -> Tensor:
        codes: object = self.vq
        for name in ("quantize", "embedding", "weight") if isinstance(self.vq, nn.Module) else ():
            codes = getattr(codes, name, None)
        if not isinstance(codes, Tensor) or not codes.is_floating_point():
            raise TypeError(
                f"{type(self.vq).__name__} holds no codes; give a diffusers.VQModel, or a floating-point tensor "
                "(codes, channels)"
            )
        return codes

    def sample(
        self, n: int, seed: Seed = 0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Latents:
        """Draw n latents (n, channels, *shape) of random codes, all equally likely and independent of each other.

        An autoencoder's own latents are far from independent, so these do not decode to anything real: they are a
        start, and generation from nothing needs a prior over codes, which this is not.

        Raises:
            ValueError: the space was made without a shape.
        """
        if self.shape is None:
            raise ValueError("this codebook has no shape to sample; give Codebook(vq, shape=(height, width))")
        # In float64 no code is out of reach, however many there are.
        room = blank(n, event_shape(self.shape), device or self.codes.device, torch.float64)
        indices = (noise_like(room, seed).uniform(room) * len(self.codes)).long()
        return self.lookup(indices).to(dtype or self.codes.dtype)

    def lookup(self, indices: Int64[Tensor, "batch *positions"]) -> Latents:
        """The vectors (batch, channels, *positions) of codes by number."""
        return self.codes[indices].movedim(-1, 1).contiguous()

    def nearest(self, x: Latents) -> Int64[Tensor, "batch *positions"]:
        """The number of the code nearest to each vector of (batch, channels, *positions) latents; the first of a tie.

        Raises:
            ValueError: latents with another number of channels than the codes, or on another device.
        """
        codes = self.codes
        if x.ndim < 2 or x.shape[1] != codes.shape[1]:
            raise ValueError(
                f"latents have shape {tuple(x.shape)} and codes {codes.shape[1]} channels; "
                f"give (batch, {codes.shape[1]}, *positions)"
            )
        if x.device != codes.device:
            raise ValueError(f"latents are on {x.device} and codes on {codes.device}; move one of them")
        # Half precision cannot tell close codes apart, and the expanded square ‖z‖² - 2 z·e + ‖e‖² loses digits.
        dtype = torch.promote_types(torch.promote_types(x.dtype, codes.dtype), torch.float32)
        vectors, codes = x.detach().movedim(1, -1).reshape(-1, x.shape[1]).to(dtype), codes.to(dtype)
        found = [
            torch.cdist(part, codes, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
            for part in vectors.split(max(1, _CHUNK // len(codes)))
        ]
        return torch.cat(found).reshape(len(x), *x.shape[2:])

    def quantise(self, x: Latents) -> Latents:
        """Put every vector of (batch, channels, *positions) latents at its nearest code; without gradient."""
        return self.lookup(self.nearest(x)).to(x.dtype)

    def distance(self, x: Latents) -> Float[Tensor, "batch *positions"]:
        """‖z_i - nearest code‖ of each vector of (batch, channels, *positions) latents, in the units of the latents."""
        return torch.linalg.vector_norm(x - self.quantise(x), dim=1)

    def project(self, x: Latents) -> Latents:
        """Quantise (batch, channels, *positions) latents."""
        return self.quantise(x)

    def tangent(self, x: Latents, velocity: Latents) -> Latents:
        """Return the velocity as it is: a code has no directions, and `project` sees to the jumps."""
        return velocity
