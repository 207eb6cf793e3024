"""Laws known only by their samples: a data set, a generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_particles
from wasserflow.freezing import modules_in
from wasserflow.modes import require_eval
from wasserflow.rows import moving
from wasserflow.seeds import Seed
from wasserflow.spaces.space import Particles, blank, noise_like
from wasserflow.spaces.space import Source as SourceOfLatents


@dataclass(frozen=True, eq=False)
class Samples:
    """A data set as a source: each draw is one of its samples, all equally likely. The source domain of a translation.

    Args:
        x: (size, *event) floating-point samples.

    Raises:
        TypeError: samples that are not floating-point tensors.
        ValueError: none, or some that are NaN or infinite.

    Source: FDRL (arXiv 2303.03714), section 6.5.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.spaces.Samples(torch.tensor([[1.0], [2.0]])).sample(3, seed=0).shape
        torch.Size([3, 1])
    """

    x: Float[Tensor, "size *event"]

    def __post_init__(self) -> None:
        require_particles(self.x)

    def sample(
        self, n: int, seed: Seed = 0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Particles:
        """Draw n samples (n, *event) with replacement; sample i depends on its own seed only."""
        # In float64 no sample is out of reach, however many there are.
        room = blank(n, (), self.x.device, torch.float64)
        drawn = self.x[(noise_like(room, seed).uniform(room) * len(self.x)).long()]
        return drawn.to(device=device or drawn.device, dtype=dtype or drawn.dtype)


@dataclass(frozen=True, eq=False)
class Generated:
    """A generator's samples as a source.

    Args:
        generator: maps latents to samples (batch, *event), a module in evaluation mode or a function.
        prior: where its latents come from.
        batch_size: latents at a time.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.spaces.Generated(torch.nn.Linear(8, 2).eval(), wf.spaces.Normal(8)).sample(3, seed=0).shape
        torch.Size([3, 2])
    """

    generator: Callable[[Tensor], Tensor]
    prior: SourceOfLatents
    batch_size: int = 500

    def sample(
        self, n: int, seed: Seed = 0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Particles:
        """Draw n samples (n, *event); sample i depends on its own seed only.

        Raises:
            TypeError: the generator returns something that is not a tensor.
            ValueError: the generator is in training mode, where a sample would depend on the others.
        """
        require_eval(modules_in(self.generator))
        latents, parts = self.prior.sample(n, seed, device, dtype), []
        for start in range(0, max(n, 1), self.batch_size):
            rows = slice(start, start + self.batch_size)
            with moving(rows), torch.no_grad():
                parts.append(self.generator(latents[rows]))
                if not isinstance(parts[-1], Tensor):
                    raise TypeError(
                        f"the generator returned a {type(parts[-1]).__name__}; it must return a tensor of samples"
                    )
        return torch.cat(parts)
