"""`wasserflow train sndcgan`, `sn-resnet-gan` and `mlp-gan`: generators of images and critics that judge them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from wasserflow.cli.names.images import IMAGE_SETS, ImagesName, images_of, mirrored
from wasserflow.cli.train.saving import built, save_trained, told
from wasserflow.models.pretrained import Recipe
from wasserflow.spaces import Normal
from wasserflow.training.adversarial_losses import HINGE, NON_SATURATING
from wasserflow.training.image_gan import train_image_gan

LossName = Literal["non-saturating", "hinge"]


def train_sndcgan(
    out: Path,
    data: Literal["cifar10"] = "cifar10",
    loss: LossName = "non-saturating",
    channels: int = 128,
    critic_channels: int = 256,
    latent_dim: int = 128,
    **settings: Any,
) -> None:
    """Train an SN-DCGAN on images.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The training images; 32 pixels wide, as the networks need a multiple of 8.
        loss: What generator and critic minimise.
        channels: The generator's channels at its coarsest resolution; 512 in the paper.
        critic_channels: The critic's channels at its coarsest resolution.
        latent_dim: Length of a latent.
        settings: Of the trainer.
    """
    images = images_of(data, "train").images
    shape = {"image_size": images.shape[-1], "image_channels": images.shape[1]}
    networks = {
        "generator": Recipe("SNDCGANGenerator", {"channels": channels, "latent_dim": latent_dim, **shape}),
        "critic": Recipe("SNDCGANCritic", {"channels": critic_channels, **shape}),
    }
    _train_gan(f"SN-DCGAN, {loss} loss", networks, latent_dim, data, out, loss, **settings)


def train_sn_resnet_gan(
    out: Path,
    data: Literal["cifar10"] = "cifar10",
    loss: LossName = "hinge",
    channels: int = 256,
    critic_channels: int = 128,
    latent_dim: int = 128,
    betas: tuple[float, float] = (0.0, 0.9),
    critic_steps: int = 5,
    **settings: Any,
) -> None:
    """Train an SN-ResNet-GAN on images: residual networks, the critic's spectrally normalised.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The training images; 32 pixels wide, as the networks need a multiple of 8.
        loss: What generator and critic minimise.
        channels: The generator's channels.
        critic_channels: The critic's channels.
        latent_dim: Length of a latent.
        betas: Decay rates of both Adam optimisers.
        critic_steps: Critic updates for each update of the generator.
        settings: Of the trainer.
    """
    images = images_of(data, "train").images
    size, image_channels = images.shape[-1], images.shape[1]
    made = {"channels": channels, "latent_dim": latent_dim, "image_size": size, "image_channels": image_channels}
    networks = {
        "generator": Recipe("SNResNetGenerator", made),
        "critic": Recipe("SNResNetCritic", {"channels": critic_channels, "image_channels": image_channels}),
    }
    _train_gan(
        f"SN-ResNet-GAN, {loss} loss",
        networks,
        latent_dim,
        data,
        out,
        loss,
        betas=betas,
        critic_steps=critic_steps,
        **settings,
    )


def train_mlp_gan(
    out: Path,
    data: ImagesName = "mnist",
    loss: LossName = "non-saturating",
    width: int = 256,
    layers: int = 3,
    latent_dim: int = 64,
    **settings: Any,
) -> None:
    """Train a plain GAN of multilayer perceptrons on images, the least of what refinement is to improve.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The training images.
        loss: What generator and critic minimise.
        width: Units of a hidden layer.
        layers: Hidden layers.
        latent_dim: Length of a latent.
        settings: Of the trainer.
    """
    images = images_of(data, "train").images
    shape = {"image_size": images.shape[-1], "image_channels": images.shape[1], "width": width, "layers": layers}
    networks = {
        "generator": Recipe("image_mlp_generator", {"latent": latent_dim, **shape}),
        "critic": Recipe("image_mlp_critic", shape),
    }
    _train_gan(f"GAN of multilayer perceptrons, {loss} loss", networks, latent_dim, data, out, loss, **settings)


def _train_gan(
    summary: str,
    networks: Mapping[str, Recipe],
    latent_dim: int,
    data: ImagesName,
    out: Path,
    loss: LossName,
    flips: bool | None = None,
    seed: int = 0,
    **settings: Any,
) -> None:
    """Train a pair and save it.

    Args:
        summary: What it is.
        networks: The generator and the critic.
        latent_dim: Length of a latent.
        data: The training images.
        out: The folder.
        loss: What generator and critic minimise.
        flips: Mirror half of the real images; for cifar10 only, if left out.
        seed: Seeds the weights, the batches, the latents, mirroring and noise.
        settings: Of the trainer.
    """
    generator, critic = built(seed, *networks.values())
    losses = {"hinge": HINGE, "non-saturating": NON_SATURATING}
    gan = train_image_gan(
        generator,
        critic,
        Normal(latent_dim),
        images_of(data, "train").images,
        out,
        loss=losses[loss],
        flips=mirrored(data, flips),
        seed=seed,
        **settings,
    )
    save_trained(
        out,
        summary=f"{summary}, on {data}",
        data=data,
        training=told(settings, flips=gan.flips, seed=seed),
        networks=networks,
        trained={"generator": gan.averaged_generator(), "critic": gan.settled_critic()},
        prior=Recipe("Normal", {"shape": latent_dim}),
        refine={"features": IMAGE_SETS[data].judge},
    )
