"""Train a generator of images and its critic, from images to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from torch import Tensor, nn

from wasserflow.spaces import PriorSpace
from wasserflow.training.adversarial import ImageGAN
from wasserflow.training.adversarial_losses import NON_SATURATING, AdversarialLoss
from wasserflow.training.fit_pair import fit_pair


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
    """Train an image generator and its critic and leave the run in a folder; see `fit_pair` for what it leaves.

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
        ValueError: settings out of range; and see `fit_pair`.
    """
    pair = ImageGAN(
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
    return fit_pair(pair, images, out, iterations=iterations, **run)
