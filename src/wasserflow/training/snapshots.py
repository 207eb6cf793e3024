"""Pictures of what a generator makes while it trains."""

from __future__ import annotations

from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from wasserflow.reports.grids import image_grid
from wasserflow.training.adversarial import ImageGAN


class SampleGrid(Callback):
    """Saves a square grid of the averaged generator's samples, always of the same latents.

    Args:
        folder: where `samples-<iteration>.png` go.
        every: iterations between two pictures.
        side: samples in a row and in a column.
        seed: seeds the latents.
    """

    def __init__(self, folder: Path, every: int, side: int = 10, seed: int = 0) -> None:
        self.folder, self.every, self.side, self.seed = folder, every, side, seed

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: object) -> None:
        """Save a picture when its time has come."""
        if trainer.global_step % self.every or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, ImageGAN)
        with torch.no_grad():
            latents = pl_module.prior.sample(self.side**2, seed=self.seed, device=pl_module.device)
            grid = image_grid(pl_module.averaged_generator(batches=20)(latents), columns=self.side, scale=1)
        self.folder.mkdir(parents=True, exist_ok=True)
        grid.save(self.folder / f"samples-{trainer.global_step}.png")
