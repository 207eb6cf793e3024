"""Train a generator of images and its critic, from images to a checkpoint."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, ThroughputMonitor
from torch import Tensor, nn

from wasserflow.freezing import evaluating
from wasserflow.spaces import PriorSpace
from wasserflow.training.adversarial import ImageGAN
from wasserflow.training.adversarial_losses import NON_SATURATING, AdversarialLoss
from wasserflow.training.adversarial_pair import AdversarialPair
from wasserflow.training.batches import IterationData
from wasserflow.training.run import check_run, fit_run
from wasserflow.training.snapshots import SampleGrid


def train_image_gan(
    generator: nn.Module,
    critic: nn.Module,
    prior: PriorSpace,
    images: UInt8[Tensor, "n channels height width"],
    out: Path,
    *,
    loss: AdversarialLoss = NON_SATURATING,
    iterations: int = 30_000,
    lr: float = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
    decay: float = 0.999,
    flips: bool = True,
    noise_std: float = 0.0,
    r1: float = 0.0,
    critic_steps: int = 1,
    penalty: float = 0.0,
    seed: int = 0,
    **run: Any,
) -> ImageGAN:
    """Train an image generator and its critic and leave checkpoints, sample grids and a log in a folder.

    Leaves in `out`: `last.ckpt` (to resume from), `iteration-<n>.ckpt` at every snapshot, `samples/` and `log/`.

    Args:
        generator: maps latents (batch, *latent) to images on [-1, 1]; trained in place.
        critic: maps images to logits (batch,), higher for more real; trained in place.
        prior: the space which latents are drawn from.
        images: the training set.
        out: a folder which does not exist yet, unless `resume` is given.
        loss: what generator and critic minimise, `NON_SATURATING`, `HINGE` or `WASSERSTEIN`.
        iterations: updates of the generator in the whole run.
        lr: learning rate of both Adam optimisers.
        betas: decay rates of both Adam optimisers.
        decay: decay of the generator's moving average.
        flips: mirror half of the real images; digits, say, must not be.
        noise_std: noise on what the critic sees; see `ImageGAN`.
        r1: weight of the penalty on the critic's slope; see `ImageGAN`.
        critic_steps: critic updates for each update of the generator.
        penalty: weight of the gradient penalty between real and generated images; 0 for none.
        seed: seeds batches, latents, flips and noise.
        run: options of `fit_pair`: `batch_size`, `snapshot_every` and those of `fit_run`.

    Returns:
        The trained pair and the generator's average.

    Raises:
        ValueError: the generator's images have another shape than those of the training set.
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
    """
    gan = ImageGAN(
        generator,
        critic,
        prior,
        loss,
        lr=lr,
        betas=betas,
        decay=decay,
        flips=flips,
        noise_std=noise_std,
        r1=r1,
        critic_steps=critic_steps,
        penalty=penalty,
        seed=seed,
    )
    fit_pair(gan, images, out, iterations=iterations, **run)
    return gan


def fit_pair(
    pair: AdversarialPair,
    images: UInt8[Tensor, "n channels height width"],
    out: Path,
    *,
    iterations: int,
    batch_size: int = 64,
    checkpoint_every: int = 1000,
    snapshot_every: int = 5000,
    **run: Any,
) -> None:
    """Train a pair in place and leave checkpoints, sample grids and a log in a folder; see `train_image_gan`.

    Args:
        pair: the generator and its critic.
        images: the training set.
        out: a folder which does not exist yet, unless `resume` is given.
        iterations: updates of the generator in the whole run.
        batch_size: images in a minibatch.
        checkpoint_every: iterations between two writings of `last.ckpt`.
        snapshot_every: iterations between two checkpoints that are kept and between two sample grids.
        run: options of `fit_run`.

    Raises:
        ValueError: the generator's images have another shape than those of the training set, or an iteration would
            take more images than there are.
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


def _callbacks(pair: AdversarialPair, out: Path, snapshot_every: int) -> list[Callback]:
    snapshots = ModelCheckpoint(
        out, "iteration-{step}", every_n_train_steps=snapshot_every, save_top_k=-1, auto_insert_metric_name=False
    )
    throughput = ThroughputMonitor(batch_size_fn=lambda batch: len(batch[0]), window_size=20)
    grid = SampleGrid(out / "samples", snapshot_every, pair.prior, partial(pair.averaged_generator, batches=20))
    return [snapshots, grid, throughput]
