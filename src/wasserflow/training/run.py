"""One training run in a folder: checkpoints, log, progress bar, resuming."""

from __future__ import annotations

import inspect
import logging
import signal
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from wasserflow.checks import require_counts
from wasserflow.training.batches import IterationData
from wasserflow.training.last_checkpoint import LastCheckpoint
from wasserflow.training.modes import TrainMode
from wasserflow.training.resuming import require_resumable


def check_run(out: Path, run: Mapping[str, Any]) -> None:
    """Refuse a run before any work is done for it.

    Args:
        out: the run's folder.
        run: options of `fit_run`.

    Raises:
        TypeError: an option which `fit_run` does not have.
        FileExistsError: see `check_run_folder`.
        FileNotFoundError: see `check_run_folder`.
        ValueError: checkpoint_every below 1.

    Example:
        >>> import pathlib, tempfile
        >>> from wasserflow.training.run import check_run
        >>> check_run(pathlib.Path(tempfile.mkdtemp()), {"progress": False})
    """
    options = inspect.signature(fit_run).bind_partial(**run)
    options.apply_defaults()
    require_counts(checkpoint_every=options.arguments["checkpoint_every"])
    check_run_folder(out, options.arguments["resume"])


def check_run_folder(out: Path, resume: bool) -> None:
    """Refuse to overwrite a run, or to resume one that left nothing.

    Args:
        out: the run's folder.
        resume: whether the run continues what the folder holds.

    Raises:
        FileExistsError: `out` holds files and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.

    Example:
        >>> import pathlib, tempfile
        >>> from wasserflow.training.run import check_run_folder
        >>> check_run_folder(pathlib.Path(tempfile.mkdtemp()), resume=False)
    """
    if resume and not (out / "last.ckpt").is_file():
        raise FileNotFoundError(f"resume is True but there is no checkpoint {out / 'last.ckpt'}")
    if not resume and out.exists() and any(out.iterdir()):
        goes_on = (out / "last.ckpt").is_file()
        mend = "continue it with resume" if goes_on else "remove it: it holds no checkpoint to continue from"
        raise FileExistsError(f"{out} exists and is not empty; choose another folder, or {mend}")


def fit_run(
    module: lightning.LightningModule,
    data: IterationData,
    out: Path,
    callbacks: Sequence[Callback] = (),
    /,
    *,
    precision: str = "32-true",
    accelerator: str = "auto",
    checkpoint_every: int = 500,
    resume: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
) -> None:
    """Train a module for `data.iterations` steps and leave `last.ckpt` and `log/version_<n>/metrics.csv` in a folder.

    Trainers take the options as `**run`, check them first by `check_run`, and pass them on.

    Args:
        module: what is trained, in place and in train mode; its frozen parts keep their mode.
        data: the training set, which also says how many iterations there are and when to validate.
        out: the folder, checked by `check_run_folder`.
        callbacks: further Lightning callbacks.
        precision: of the networks, in Lightning's words; `bf16-mixed` is faster where the hardware has it.
        accelerator: where to train, in Lightning's words.
        checkpoint_every: iterations between two writings of `last.ckpt`.
        resume: continue from `out/last.ckpt`.
        tensorboard: also write TensorBoard events.
        progress: show a progress bar.

    Raises:
        FileExistsError: `out` holds files and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
        ValueError: checkpoint_every below 1, or `out/last.ckpt` is damaged, or of another network.
        KeyboardInterrupt: it was stopped, by the first Ctrl-C at the end of a step, whose checkpoint is written then,
            by the second one at once; the message says what it left.
    """
    require_counts(checkpoint_every=checkpoint_every)
    check_run_folder(out, resume)
    checkpoint = out / "last.ckpt" if resume else None
    if checkpoint is not None:
        require_resumable(checkpoint, module)
    loggers: list[Logger] = [CSVLogger(out, name="log")]
    if tensorboard:
        loggers.append(TensorBoardLogger(out, name="log"))
    last = LastCheckpoint(out, min(checkpoint_every, data.iterations), data.validate_every)
    bar: list[Callback] = [TQDMProgressBar(refresh_rate=10)] if progress else []
    with _without_advice():
        trainer = lightning.Trainer(
            accelerator=accelerator,
            devices=1,
            precision=precision,  # type: ignore[arg-type]
            max_steps=data.iterations,
            max_epochs=-1,
            val_check_interval=data.validate_every,
            num_sanity_val_steps=0,
            logger=loggers,
            log_every_n_steps=min(50, data.iterations),
            callbacks=[TrainMode(), *callbacks, last, *bar],
            enable_progress_bar=progress,
            enable_model_summary=False,
        )
    handler = signal.getsignal(signal.SIGINT)
    # Loaders draw from torch's global stream, which is the caller's.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), _without_advice():
        # Averages and frozen generators are meant to be in evaluation mode.
        warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode")
        warnings.filterwarnings("ignore", message=".*LeafSpec")  # Lightning's own business
        # The folder holds this run's log, and these loaders go on exactly where they stopped.
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
        warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before the epoch")
        try:
            with last.when_stopped():
                trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True if resume else None)
        except SystemExit:
            if not trainer.interrupted:
                raise
            # Lightning ends the process on Ctrl-C, and leaves it deaf to the next one.
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt(f"training step {trainer.global_step} of {data.iterations}; {kept(out)}") from None


@contextmanager
def run_without_a_folder() -> Iterator[Path]:
    """Give a run a folder that goes with the block: what is learnt in a minute or two is not resumed.

    Yields:
        The run's folder, which does not exist yet.

    Raises:
        KeyboardInterrupt: the run was stopped; the message names no checkpoint of it.

    Example:
        >>> from wasserflow.training.run import run_without_a_folder
        >>> with run_without_a_folder() as out:
        ...     out.mkdir()
        >>> out.exists()
        False
    """
    with TemporaryDirectory() as folder:
        try:
            yield Path(folder) / "run"
        except KeyboardInterrupt:
            raise KeyboardInterrupt("nothing was kept; learn anew") from None


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep back what Lightning tells of devices it found, of defaults it took and of services it recommends."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def kept(out: Path) -> str:
    """Say what a run that was stopped has left to go on from.

    Args:
        out: the run's folder.
    """
    last = out / "last.ckpt"
    return f"go on from {last} with resume" if last.is_file() else "it was stopped before its first checkpoint"
