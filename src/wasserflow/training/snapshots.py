"""Pictures of what a generator makes while it trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from wasserflow.checks import require_counts
from wasserflow.modes import evaluating
from wasserflow.reports.grids import image_grid
from wasserflow.spaces import PriorSpace


class SampleGrid(Callback):
    """Saves a square grid of a generator's samples, always of the same latents.

    Args:
        folder: where `samples-<iteration>.png` go.
        every: iterations between two pictures.
        prior: the space which latents are drawn from.
        generator: gives the network that makes images of them, as far as it has been trained.
        side: samples in a row and in a column.
        seed: seeds the latents.

    Raises:
        ValueError: every or side below 1.
    """

    def __init__(
        self,
        folder: Path,
        every: int,
        prior: PriorSpace,
        generator: Callable[[], nn.Module],
        side: int = 10,
        seed: int = 0,
    ) -> None:
        require_counts(snapshot_every=every, side=side)
        self.folder, self.every, self.prior, self.generator = folder, every, prior, generator
        self.side, self.seed = side, seed

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: object) -> None:
        """Save a picture when its time has come."""
        if trainer.global_step % self.every or not trainer.is_global_zero:
            return
        network = self.generator()
        latents = self.prior.sample(self.side**2, seed=self.seed, device=pl_module.device)
        with torch.no_grad(), evaluating(network):
            # A picture must not end a training: what is not a number is shown grey.
            grid = image_grid(network(latents).nan_to_num(), columns=self.side, scale=1)
        self.folder.mkdir(parents=True, exist_ok=True)
        grid.save(self.folder / f"samples-{trainer.global_step}.png")
