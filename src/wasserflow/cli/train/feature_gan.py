"""`wasserflow train mmd-gan` and `ocf-gan`: generators whose critics give vectors, so that no critic judges samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from wasserflow.cli.names.images import IMAGE_SETS, ImagesName, images_of, mirrored
from wasserflow.cli.train.saving import built, save_trained, told
from wasserflow.models.pretrained import Recipe
from wasserflow.spaces import Normal
from wasserflow.training.feature_gan import FeatureGAN
from wasserflow.training.mmd_gan import train_mmd_gan as fit_mmd_gan
from wasserflow.training.ocf_gan import train_ocf_gan as fit_ocf_gan


def train_mmd_gan(
    out: Path,
    data: ImagesName = "cifar10",
    width: int = 64,
    features: int = 16,
    latent_dim: int = 32,
    flips: bool | None = None,
    seed: int = 0,
    **settings: Any,
) -> None:
    """Train an MMD-GAN with gradient penalty on images.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The training images.
        width: Channels of both networks at the finest resolution; twice and four times as many at the coarser ones.
        features: Length of the vectors that the critic gives.
        latent_dim: Length of a latent.
        flips: Mirror half of the real images; for cifar10 only, if left out.
        seed: Seeds the weights, the batches, the latents, mirroring and penalty points.
        settings: Of the trainer.
    """
    images = images_of(data, "train").images
    networks = _networks(images, width, features, latent_dim)
    generator, critic = built(seed, *networks.values())
    flips = mirrored(data, flips)
    gan = fit_mmd_gan(generator, critic, Normal(latent_dim), images, out, flips=flips, seed=seed, **settings)
    _save(out, f"MMD-GAN on {data}", data, told(settings, flips=flips, seed=seed), networks, gan, latent_dim)


def train_ocf_gan(
    out: Path,
    data: ImagesName = "cifar10",
    width: int = 64,
    features: int = 16,
    latent_dim: int = 32,
    flips: bool | None = None,
    seed: int = 0,
    **settings: Any,
) -> None:
    """Train an OCF-GAN-GP on images: its critic's features differ by their characteristic functions.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The training images.
        width: Channels of both networks at the finest resolution; twice and four times as many at the coarser ones.
        features: Length of the vectors that the critic gives.
        latent_dim: Length of a latent.
        flips: Mirror half of the real images; for cifar10 only, if left out.
        seed: Seeds the weights, the batches, the latents, mirroring, penalty points and frequencies.
        settings: Of the trainer.
    """
    images = images_of(data, "train").images
    networks = _networks(images, width, features, latent_dim)
    generator, critic = built(seed, *networks.values())
    flips = mirrored(data, flips)
    gan = fit_ocf_gan(generator, critic, Normal(latent_dim), images, out, flips=flips, seed=seed, **settings)
    _save(out, f"OCF-GAN-GP on {data}", data, told(settings, flips=flips, seed=seed), networks, gan, latent_dim)


def _networks(images: Tensor, width: int, features: int, latent_dim: int) -> dict[str, Recipe]:
    widths = [width, 2 * width, 4 * width]
    shape = {"image_size": images.shape[-1], "image_channels": images.shape[1]}
    return {
        "generator": Recipe("UpconvGenerator", {"latent_dim": latent_dim, "widths": widths[::-1], **shape}),
        # A critic of vectors, which no command takes for one of log-ratios.
        "vector_critic": Recipe("ConvEncoder", {"outputs": features, "widths": widths, "batch_norm": False, **shape}),
    }


def _save(
    out: Path,
    summary: str,
    data: ImagesName,
    training: str,
    networks: dict[str, Recipe],
    gan: FeatureGAN,
    latent_dim: int,
) -> None:
    save_trained(
        out,
        summary=f"{summary}; its critic gives vectors, so that refinement needs another's, or a corrector",
        data=data,
        training=training,
        networks=networks,
        trained={"generator": gan.averaged_generator(), "vector_critic": gan.settled_critic()},
        prior=Recipe("Normal", {"shape": latent_dim}),
        refine={"features": IMAGE_SETS[data].judge},
    )
