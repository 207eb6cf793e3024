"""`wasserflow train` for generators and their critics, leaving pairs that the other commands read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from wasserflow.cli.critics import require_judged
from wasserflow.cli.judges import SHIPPED_JUDGES
from wasserflow.cli.trained import ImagesName, built, images_of, mirrored, save_trained, told
from wasserflow.models import zoo
from wasserflow.models.pretrained import Pretrained, Recipe
from wasserflow.models.resnet import SmallResNet
from wasserflow.models.resnet_critic import ResNetCritic
from wasserflow.models.sndcgan import SNDCGANCritic
from wasserflow.spaces import Normal
from wasserflow.training.adversarial_losses import HINGE, NON_SATURATING
from wasserflow.training.critic import refit_critic
from wasserflow.training.image_gan import train_image_gan

LossName = Literal["non-saturating", "hinge"]


def train_sndcgan(
    out: Path,
    data: ImagesName = "cifar10",
    loss: LossName = "non-saturating",
    channels: int = 128,
    critic_channels: int = 256,
    latent_dim: int = 128,
    **settings: Any,
) -> None:
    """Train an SN-DCGAN on images.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The training images.
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
    data: ImagesName = "cifar10",
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
        data: The training images, of a size that is a multiple of 8.
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
        refine={"features": SHIPPED_JUDGES[data]},
    )


def train_critic(
    out: Path,
    model: str,
    data: ImagesName = "cifar10",
    critic_channels: int | None = None,
    backbone: str | None = None,
    flips: bool | None = None,
    **settings: Any,
) -> None:
    """Refit a critic to a generator that stands still, and report how good a log-ratio it is.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        model: The pair, a shipped model or a folder.
        data: The real images: `train` is learnt from, `validation` measures.
        critic_channels: Begin with a new SN-DCGAN critic of this width; with the pair's own critic if left out.
        backbone: Begin with a new critic on the frozen features of this classifier, a shipped model or a folder.
        flips: Mirror half of the real images; for cifar10 only, if left out.
        settings: Of the trainer.
    """
    if critic_channels is not None and backbone is not None:
        raise ValueError(f"critic_channels is {critic_channels} and backbone is {backbone}; give only one of them")
    pair = zoo.load(model)
    if pair.prior is None or "generator" not in pair.networks:
        raise ValueError(f"{model} has no generator of latents; give a model that has one")
    train, held_out = images_of(data, "train").images, images_of(data, "validation").images
    with torch.no_grad():
        made = pair.generator(pair.prior.sample(2, seed=0))
    shape, wanted = tuple(made.shape[1:]), tuple(train.shape[1:])
    if shape != wanted:
        raise ValueError(f"{model} makes samples of shape {shape}, images of {data} have {wanted}; give its own --data")
    critic, recipe = _first_critic(pair, train, critic_channels, backbone)
    require_judged(critic, made, f"backbone is {backbone}")
    flips = mirrored(data, flips)
    refitted = refit_critic(critic, pair.generator, pair.prior, train, held_out, out, flips=flips, **settings)
    assessment = json.loads((out / "assessment.json").read_text(encoding="utf-8"))
    print(json.dumps(assessment, indent=2))
    save_trained(
        out,
        summary=f"{pair.card.summary}; critic refitted with the generator frozen",
        data=data,
        training=f"pair: {pair.card.command} ({pair.card.training}); then the critic: {told(settings, flips=flips)}",
        networks={"generator": pair.card.networks["generator"], "critic": recipe},
        trained={"generator": pair.generator, "critic": refitted},
        prior=pair.card.prior,
        refine=pair.card.refine,
        metrics={"held-out AUC": round(assessment["after"]["auc"], 4)},
    )


def _first_critic(
    pair: Pretrained, images: Tensor, channels: int | None, backbone: str | None
) -> tuple[nn.Module, Recipe]:
    """What the critic is before it is refitted, and how to build it."""
    if channels is not None:
        sizes: dict[str, Any] = {
            "channels": channels,
            "image_size": images.shape[-1],
            "image_channels": images.shape[1],
        }
        return SNDCGANCritic(**sizes), Recipe("SNDCGANCritic", sizes)
    if backbone is not None:
        critic = ResNetCritic.on(_classifier(backbone))
        return critic, Recipe("ResNetCritic", {"widths": critic.widths, "image_channels": critic.image_channels})
    if "critic" not in pair.networks:
        raise ValueError(f"{pair.card.name} has no critic to begin with; give --critic-channels or --backbone")
    return pair.critic, pair.card.networks["critic"]


def _classifier(name: str) -> SmallResNet:
    model = zoo.load(name).networks.get("model")
    if not isinstance(model, SmallResNet):
        raise ValueError(f"backbone is {name}, which is no SmallResNet; give one, such as cifar10-resnet")
    return model
