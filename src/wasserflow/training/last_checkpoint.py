"""The checkpoint a run goes on from: written after the validation of its step, so that what that found is in it."""

from __future__ import annotations

from pathlib import Path

import lightning
from lightning.pytorch.callbacks import Checkpoint


class LastCheckpoint(Checkpoint):
    """Writes `last.ckpt` every so many steps; where a validation is due at that step, after it.

    A resumed run does not repeat the validation of the step it begins at. Were the checkpoint written before, whoever
    keeps the best weights would forget how good those of this step are. Give it to the trainer after such callbacks.

    Args:
        out: the folder.
        every: steps between two writings.
        validate_every: steps between two validations; None where nothing is validated.
    """

    def __init__(self, out: Path, every: int, validate_every: int | None) -> None:
        self.path, self.every, self.validate_every = out / "last.ckpt", every, validate_every

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        """Write when the time has come, unless a validation follows."""
        if self.validate_every is None or trainer.global_step % self.validate_every:
            self._write(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write when the time has come."""
        self._write(trainer)

    def _write(self, trainer: lightning.Trainer) -> None:
        if trainer.global_step % self.every == 0:
            trainer.save_checkpoint(self.path)
