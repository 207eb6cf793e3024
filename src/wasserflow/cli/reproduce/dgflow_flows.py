"""Run the rows of the tables of Ansari et al. on one set of latents, and measure them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from wasserflow.cli.names.critics import critic_named
from wasserflow.cli.names.pairs import generator_named
from wasserflow.cli.settings.choices import MethodOptions
from wasserflow.data.images import to_uint8
from wasserflow.flow import FlowDiverged
from wasserflow.integrators import State
from wasserflow.models import prepare
from wasserflow.models.pretrained import Pretrained
from wasserflow.reports import trajectory_rows
from wasserflow.seeds import sample_seeds
from wasserflow.spaces import PriorSpace

_BATCH = 100
_SHOWN = 8
_STRIDE = 5  # of the paper's figure 3


@dataclass(eq=False)
class Base:
    """A base model whose latents are refined.

    Args:
        name: a shipped model, or a folder.
        n: samples a row.
        precision: of matrix products and convolutions; None for float32.

    Raises:
        ValueError: no such model, or one without latents.
    """

    name: str
    n: int
    precision: torch.dtype | None = None

    def __post_init__(self) -> None:
        _ = self.model  # to refuse it now

    @cached_property
    def model(self) -> Pretrained:
        """As it is on disk."""
        return generator_named(self.name)

    @property
    def prior(self) -> PriorSpace:
        """Of its latents."""
        assert self.model.prior is not None
        return self.model.prior

    @cached_property
    def generator(self) -> nn.Module:
        """Made fast."""
        return prepare(self.model.generator, precision=self.precision)[0]

    def critic(self, name: str) -> nn.Module:
        """One of its networks, or another model's critic, made fast.

        Raises:
            ValueError: neither.
        """
        return prepare(critic_named(self.model, name), precision=self.precision)[0]

    def unrefined(self, seed: int) -> UInt8[Tensor, "n channels height width"]:
        """Its own images of a seed."""
        parts = sample_seeds(seed, self.n).split(_BATCH)
        return torch.cat([self._images(self.prior.sample(len(part), part)) for part in parts])

    def refined(
        self, critic: str, options: MethodOptions, seed: int, picture: Path | None = None
    ) -> UInt8[Tensor, "n channels height width"] | None:
        """Refine the latents of a seed.

        Args:
            critic: which of its networks judges, or which other model's critic.
            options: how.
            seed: of the latents and of the noise.
            picture: where to draw the first samples over the steps; not drawn if None.

        Returns:
            The images; None where the flow diverged.
        """
        run = options.runner(self.generator, self.critic(critic), self.prior)
        seen: dict[int, Tensor] = {}

        def watch(state: State) -> None:
            if picture is not None and not state.step % _STRIDE and state.step not in seen:
                seen[state.step] = self._images(state.x[:_SHOWN])

        parts = []
        try:
            for group in sample_seeds(seed, self.n).split(_BATCH):
                latents = self.prior.sample(len(group), group)
                parts.append(to_uint8(run(latents, seed=group, watch=watch).samples))
        except FlowDiverged:
            return None
        if picture is not None:
            first = self._images(self.prior.sample(len(group := sample_seeds(seed, self.n)[:_SHOWN]), group))
            trajectory_rows([first, *seen.values()], [0, *seen], _SHOWN).save(picture)
        return torch.cat(parts)

    @torch.no_grad()
    def _images(self, latents: Tensor) -> Tensor:
        return to_uint8(self.generator(latents))
