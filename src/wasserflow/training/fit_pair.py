"""Fit a generator of images and its critic, whatever they minimise, and leave the run in a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import UInt8
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, ThroughputMonitor
from torch import Tensor

from wasserflow.modes import evaluating
from wasserflow.training.adversarial_pair import AdversarialPair
from wasserflow.training.batches import IterationData
from wasserflow.training.run import check_run, fit_run
from wasserflow.training.snapshots import SampleGrid

P = TypeVar("P", bound=AdversarialPair)


def fit_pair(
    pair: P,
    images: UInt8[Tensor, "n channels height width"],
    out: Path,
    *,
    iterations: int,
    batch_size: int = 64,
    checkpoint_every: int = 1000,
    snapshot_every: int = 5000,
    **run: Any,
) -> P:
    """Train a pair in place and leave checkpoints, sample grids and a log in a folder.

    Leaves in `out`: `last.ckpt` (to resume from), `iteration-<n>.ckpt` at every snapshot, `samples/` and `log/`.

    Args:
        pair: the generator and its critic.
        images: the training set.
        out: a folder which does not exist yet, unless `resume` is given.
        iterations: updates of the generator in the whole run.
        batch_size: images in a minibatch.
        checkpoint_every: iterations between two writings of `last.ckpt`.
        snapshot_every: iterations between two checkpoints that are kept and between two sample grids.
        run: options of `fit_run`.

    Returns:
        The pair, whose `.averaged_generator()` is what makes samples.

    Raises:
        ValueError: the generator's images have another shape than those of the training set, or an iteration would
            take more images than there are, or snapshot_every or checkpoint_every below 1.
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
    """
    check_run(out, run)
    with torch.no_grad(), evaluating(pair.generator):
        made = pair.generator(pair.prior.sample(1))
    if made.shape[1:] != images.shape[1:]:
        raise ValueError(
            f"the generator makes images of {tuple(made.shape[1:])}, and these are {tuple(images.shape[1:])}"
        )
    if not 1 <= pair.critic_steps * batch_size <= len(images):
        raise ValueError(
            f"batch_size is {batch_size} and critic_steps is {pair.critic_steps}; an iteration takes their product, "
            f"which must lie between 1 and {len(images)}, the number of images"
        )
    data = IterationData(images, batch_size=pair.critic_steps * batch_size, iterations=iterations, seed=pair.seed)
    fit_run(pair, data, out, _callbacks(pair, out, snapshot_every), checkpoint_every=checkpoint_every, **run)
    return pair


def _callbacks(pair: AdversarialPair, out: Path, snapshot_every: int) -> list[Callback]:
    grid = SampleGrid(out / "samples", snapshot_every, pair.prior, partial(pair.averaged_generator, batches=20))
    snapshots = ModelCheckpoint(
        out, "iteration-{step}", every_n_train_steps=snapshot_every, save_top_k=-1, auto_insert_metric_name=False
    )
    throughput = ThroughputMonitor(batch_size_fn=lambda batch: len(batch[0]), window_size=20)
    return [snapshots, grid, throughput]
