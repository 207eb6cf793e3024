"""The checkpoint a run goes on from: written after the validation of its step, so that what that found is in it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
        self.stopping = False

    @contextmanager
    def when_stopped(self) -> Iterator[None]:
        """Let the first Ctrl-C inside the block end the step that is being taken, and the next one end it at once.

        Half a step can not be gone on from. Only where Ctrl-C, or SIGTERM, does what it does by default in Python.
        """
        usual = [number for number in (signal.SIGINT, signal.SIGTERM) if _raises(number)]

        def stop(*_: object) -> None:
            self.stopping = True
            restore()
            print("stopping after this step; once more stops at once", file=sys.stderr, flush=True)

        def restore() -> None:
            for number in usual:
                signal.signal(number, signal.default_int_handler)

        try:
            for number in usual:
                signal.signal(number, stop)
        except ValueError:  # threads have no handlers
            usual.clear()
        try:
            yield
        finally:
            restore()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        """Write when the time has come, unless a validation follows."""
        if self.validate_every is None or trainer.global_step % self.validate_every:
            self._write(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write when the time has come."""
        self._write(trainer)

    def _write(self, trainer: lightning.Trainer) -> None:
        if self.stopping or trainer.global_step % self.every == 0:
            trainer.save_checkpoint(self.path)
        if self.stopping:
            raise KeyboardInterrupt


def _raises(number: int) -> bool:
    return signal.getsignal(number) is signal.default_int_handler
