"""A potential on samples, seen from the latents that made them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_methods
from wasserflow.potentials.potential import Energy, Potential


@dataclass(frozen=True, eq=False)
class Pullback(Potential):
    """z -> potential(generator(z)).

    Sum data-space terms first and pull the sum back: a step then costs one forward and one backward of the generator,
    whatever the number of terms.

    Args:
        potential: maps (batch, *event) samples to (batch,).
        generator: maps (batch, *latent) latents to (batch, *event) samples.

    Raises:
        TypeError: the generator cannot be called.
        ValueError: when called, if the generator does not return one sample a latent.

    Source: DGflow (arXiv 2012.00780), eq. 11.

    Example:
        >>> import torch, wasserflow as wf
        >>> potential = wf.Pullback(wf.GaussianPrior(), lambda z: 2 * z)
        >>> potential(torch.ones(1, 2))
        tensor([4.])
    """

    potential: Energy
    generator: Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        require_methods("generator", self.generator, ["__call__"], "a module or function from latents to samples")

    def __call__(self, x: Float[Tensor, "batch *latent"]) -> Float[Tensor, " batch"]:
        """Evaluate the energy of (batch, *latent) latents."""
        samples = self.generator(x.clone())  # networks may begin in place
        if not isinstance(samples, Tensor) or samples.ndim == 0 or len(samples) != len(x):
            got = tuple(samples.shape) if isinstance(samples, Tensor) else type(samples).__name__
            raise ValueError(f"the generator returned {got} for {len(x)} latents; it must return {len(x)} samples")
        return self.potential(samples)
