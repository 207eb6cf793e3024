"""WGAN-GP on images: the trainer of image GANs with the published losses and settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from torch import Tensor, nn

from wasserflow.data.images import to_float
from wasserflow.spaces import PriorSpace
from wasserflow.training.adversarial import ImageGAN
from wasserflow.training.adversarial_losses import WASSERSTEIN
from wasserflow.training.centring import centre
from wasserflow.training.image_gan import train_image_gan

_CENTRED_ON = 5_000  # images


def train_image_wgan_gp(
    generator: nn.Module,
    critic: nn.Module,
    prior: PriorSpace,
    images: UInt8[Tensor, "n channels height width"],
    out: Path,
    *,
    iterations: int = 20_000,
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.5, 0.9),
    critic_steps: int = 5,
    penalty: float = 10.0,
    **settings: Any,
) -> ImageGAN:
    """Train an image generator and a critic by WGAN-GP, in a folder; see `train_image_gan`.

    The critic is centred at the end: its mean score over as many real as generated images is 0.

    Args:
        generator: maps latents (batch, *latent) to images on [-1, 1]; trained in place.
        critic: maps images to scores (batch,), without batch norm and spectral norm; trained in place.
        prior: the space which latents are drawn from.
        images: the training set.
        out: a folder which does not exist yet, unless `resume` is given.
        iterations: updates of the generator in the whole run.
        lr: learning rate of both Adam optimisers.
        betas: decay rates of both Adam optimisers.
        critic_steps: critic updates for each update of the generator.
        penalty: weight of the gradient penalty between real and generated images.
        settings: of `train_image_gan`.

    Returns:
        The trained pair and the generator's average.

    Source:
        Gulrajani et al., Improved training of Wasserstein GANs, NeurIPS 2017, algorithm 1.
    """
    gan = train_image_gan(
        generator,
        critic,
        prior,
        images,
        out,
        loss=WASSERSTEIN,
        iterations=iterations,
        lr=lr,
        betas=betas,
        critic_steps=critic_steps,
        penalty=penalty,
        **settings,
    )
    real = to_float(images[:_CENTRED_ON]).to(gan.device)
    latents = gan.prior.sample(len(real), seed=gan.seed, device=gan.device)
    centre(gan.critic, real, gan.averaged_generator(), latents)
    return gan
