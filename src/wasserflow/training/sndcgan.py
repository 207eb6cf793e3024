"""Train an SN-DCGAN from images to a checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import UInt8
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, ThroughputMonitor
from torch import Tensor

from wasserflow.models.sndcgan import SNDCGANCritic, SNDCGANGenerator
from wasserflow.spaces import Normal
from wasserflow.training.adversarial import ImageGAN
from wasserflow.training.adversarial_losses import NON_SATURATING, AdversarialLoss
from wasserflow.training.batches import IterationData
from wasserflow.training.run import check_run_folder, fit_run
from wasserflow.training.snapshots import SampleGrid


def train_sndcgan(
    images: UInt8[Tensor, "n channels height width"],
    out: Path,
    *,
    loss: AdversarialLoss = NON_SATURATING,
    channels: int = 128,
    critic_channels: int = 256,
    latent_dim: int = 128,
    iterations: int = 30_000,
    batch_size: int = 64,
    lr: float = 2e-4,
    decay: float = 0.999,
    noise_std: float = 0.0,
    r1: float = 0.0,
    precision: str = "32-true",
    accelerator: str = "auto",
    checkpoint_every: int = 1000,
    snapshot_every: int = 5000,
    seed: int = 0,
    resume: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
) -> ImageGAN:
    """Train an SN-DCGAN and leave checkpoints, sample grids and a log in a folder.

    Leaves in `out`: `last.ckpt` (to resume from), `iteration-<n>.ckpt` at every snapshot, `samples/` and `log/`.

    Args:
        images: the training set, uint8; square, a multiple of 8 pixels wide.
        out: a folder which does not exist yet, unless `resume` is given.
        loss: what generator and critic minimise, `NON_SATURATING` or `HINGE`.
        channels: the generator's channels at its coarsest resolution.
        critic_channels: the critic's channels at its coarsest resolution.
        latent_dim: length of a latent, drawn from N(0, I).
        iterations: updates of the generator in the whole run.
        batch_size: images in a batch.
        lr: learning rate of both Adam optimisers.
        decay: decay of the generator's moving average.
        noise_std: noise on what the critic sees; see `ImageGAN`.
        r1: weight of the penalty on the critic's slope; see `ImageGAN`.
        precision: of the networks, in Lightning's words; `bf16-mixed` is faster where the hardware has it.
        accelerator: where to train, in Lightning's words.
        checkpoint_every: iterations between two writings of `last.ckpt`.
        snapshot_every: iterations between two checkpoints that are kept and between two sample grids.
        seed: seeds weights, batches, latents, flips and noise.
        resume: continue from `out/last.ckpt`.
        tensorboard: also write TensorBoard events.
        progress: show a progress bar.

    Returns:
        The trained pair and the generator's average.

    Raises:
        ValueError: the images are not square, or a width is not a multiple of 8.
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
    """
    check_run_folder(out, resume)
    _, image_channels, height, width = images.shape
    if height != width:
        raise ValueError(f"the images are {height} x {width} pixels; SN-DCGAN needs square ones")
    # Initial weights come from torch's global stream, which is the caller's.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = SNDCGANGenerator(channels, latent_dim=latent_dim, image_size=width, image_channels=image_channels)
        critic = SNDCGANCritic(critic_channels, image_size=width, image_channels=image_channels)
    gan = ImageGAN(
        generator, critic, Normal(latent_dim), loss, lr=lr, decay=decay, noise_std=noise_std, r1=r1, seed=seed
    )
    data = IterationData(images, batch_size=batch_size, iterations=iterations, seed=seed)
    fit_run(
        gan,
        data,
        out,
        checkpoint_every=checkpoint_every,
        callbacks=_callbacks(out, snapshot_every),
        precision=precision,
        accelerator=accelerator,
        resume=resume,
        tensorboard=tensorboard,
        progress=progress,
    )
    return gan


def _callbacks(out: Path, snapshot_every: int) -> list[Callback]:
    snapshots = ModelCheckpoint(
        out, "iteration-{step}", every_n_train_steps=snapshot_every, save_top_k=-1, auto_insert_metric_name=False
    )
    throughput = ThroughputMonitor(batch_size_fn=lambda batch: len(batch[0]), window_size=20)
    return [snapshots, SampleGrid(out / "samples", snapshot_every), throughput]
