"""`wasserflow train`: every trainer with its data by name, leaving a model that the other commands read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from wasserflow.cli.measures import POINTS
from wasserflow.cli.trained import ImagesName, images_of, save_trained, told
from wasserflow.data.captions import captions
from wasserflow.models import zoo
from wasserflow.models.pretrained import Recipe
from wasserflow.models.resnet import SmallResNet
from wasserflow.models.resnet_critic import ResNetCritic
from wasserflow.models.sndcgan import SNDCGANCritic
from wasserflow.training.adversarial_losses import HINGE, NON_SATURATING
from wasserflow.training.attack import robust_accuracy
from wasserflow.training.classifier import train_classifier as fit_classifier
from wasserflow.training.clip import train_clip as fit_clip
from wasserflow.training.clip import zero_shot_accuracy
from wasserflow.training.critic import refit_critic
from wasserflow.training.sndcgan import train_sndcgan as fit_sndcgan
from wasserflow.training.vq import measure_vq
from wasserflow.training.vq import train_vq as fit_vq
from wasserflow.training.wgan_gp import train_wgan_gp as fit_wgan_gp

ToyName = Literal["25gaussians", "swissroll"]
LossName = Literal["non-saturating", "hinge"]

# Ansari et al. (2021), appendix D.1.
_PUBLISHED_2D = {"space": "data", "divergence": "kl", "step_size": 0.01, "temperature": 0.01, "steps": 100}


def train_wgan_gp(
    out: Path, data: ToyName = "25gaussians", width: int = 512, layers: int = 3, seed: int = 0, **settings: Any
) -> None:
    """Train a WGAN-GP of multilayer perceptrons on a 2-D distribution.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The distribution.
        width: Units of a hidden layer.
        layers: Hidden layers.
        seed: Seeds the training set, the weights, the minibatches and the latents.
        settings: Of the trainer.
    """
    gan = fit_wgan_gp(POINTS[data], out, width=width, layers=layers, seed=seed, **settings)
    sizes = {"width": width, "layers": layers}
    save_trained(
        out,
        summary=f"WGAN-GP of multilayer perceptrons on {data}",
        data=data,
        training=told(settings, seed=seed),
        networks={"generator": Recipe("mlp_generator", sizes), "critic": Recipe("mlp_critic", sizes)},
        trained={"generator": gan.generator, "critic": gan.critic},
        prior=Recipe("Normal", {"shape": 2}),
        refine={**_PUBLISHED_2D, "batch_size": 5_000},
    )


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
    losses = {"hinge": HINGE, "non-saturating": NON_SATURATING}
    gan = fit_sndcgan(
        images,
        out,
        loss=losses[loss],
        channels=channels,
        critic_channels=critic_channels,
        latent_dim=latent_dim,
        **settings,
    )
    shape = {"image_size": images.shape[-1], "image_channels": images.shape[1]}
    save_trained(
        out,
        summary=f"SN-DCGAN, {loss} loss, on {data}",
        data=data,
        training=told(settings),
        networks={
            "generator": Recipe("SNDCGANGenerator", {"channels": channels, "latent_dim": latent_dim, **shape}),
            "critic": Recipe("SNDCGANCritic", {"channels": critic_channels, **shape}),
        },
        trained={"generator": gan.averaged_generator(), "critic": gan.settled_critic()},
        prior=Recipe("Normal", {"shape": latent_dim}),
    )


def train_critic(
    out: Path,
    model: str,
    data: ImagesName = "cifar10",
    critic_channels: int | None = None,
    backbone: str | None = None,
    **settings: Any,
) -> None:
    """Refit a critic to a generator that stands still, and report how good a log-ratio it is.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        model: The pair, a shipped model or a folder.
        data: The real images: `train` is learnt from, `validation` measures.
        critic_channels: Begin with a new SN-DCGAN critic of this width; with the pair's own critic if left out.
        backbone: Begin with a new critic on the frozen features of this classifier, a shipped model or a folder.
        settings: Of the trainer.
    """
    if critic_channels is not None and backbone is not None:
        raise ValueError(f"critic_channels is {critic_channels} and backbone is {backbone}; give only one of them")
    pair = zoo.load(model)
    train, held_out = images_of(data, "train").images, images_of(data, "validation").images
    critic, recipe = pair.critic, pair.card.networks["critic"]
    if critic_channels is not None:
        sizes = {"channels": critic_channels, "image_size": train.shape[-1], "image_channels": train.shape[1]}
        critic, recipe = SNDCGANCritic(**sizes), Recipe("SNDCGANCritic", sizes)
    if backbone is not None:
        critic = ResNetCritic.on(_classifier(backbone))
        recipe = Recipe("ResNetCritic", {"widths": critic.widths, "image_channels": critic.image_channels})
    assert pair.prior is not None
    refitted = refit_critic(critic, pair.generator, pair.prior, train, held_out, out, **settings)
    assessment = json.loads((out / "assessment.json").read_text(encoding="utf-8"))
    print(json.dumps(assessment, indent=2))
    save_trained(
        out,
        summary=f"{pair.card.summary}; critic refitted with the generator frozen",
        data=data,
        training=f"pair: {pair.card.command} ({pair.card.training}); then the critic: {told(settings)}",
        networks={"generator": pair.card.networks["generator"], "critic": recipe},
        trained={"generator": pair.generator, "critic": refitted},
        prior=pair.card.prior,
        refine=pair.card.refine,
        metrics={"held-out AUC": round(assessment["after"]["auc"], 4)},
    )


def train_classifier(out: Path, data: ImagesName = "cifar10", radius: float = 0.0, **settings: Any) -> None:
    """Train a small residual classifier, whose last hidden layer serves as the features of metrics.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The labelled images: `train` is learnt from, `validation` chooses the checkpoint, `test` is measured.
        radius: Of the L2 ball around each image on [-1, 1] in which the classifier is to be right; 0 for ordinary
            training.
        settings: Of the trainer.
    """
    train, held_out, test = (images_of(data, split) for split in ("train", "validation", "test"))
    network = fit_classifier(train, held_out, out, radius=radius, **settings)
    metrics = {"test accuracy, %": robust_accuracy(network, test.images, test.labels, radius=0, steps=1)}
    if radius:
        name = f"test accuracy, %, under 10-step attacks of radius {radius} on [-1, 1]"
        metrics[name] = robust_accuracy(network, test.images, test.labels, radius)
    metrics = {name: round(100 * value, 2) for name, value in metrics.items()}
    print(json.dumps(metrics, indent=2))
    sizes = {
        "classes": int(train.labels.max()) + 1,
        "widths": list(network.widths),
        "image_channels": network.image_channels,
    }
    save_trained(
        out,
        summary=f"residual classifier of {data}; its features measure images",
        data=data,
        training=told({**settings, "radius": radius}),
        networks={"model": Recipe("SmallResNet", sizes)},
        trained={"model": network},
        metrics=metrics,
    )


def train_clip(out: Path, data: Literal["cifar10"] = "cifar10", **settings: Any) -> None:
    """Train a small CLIP model on images captioned by their class, and measure its zero-shot accuracy.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The labelled images: `train` is learnt from, `validation` and `test` are measured.
        settings: Of the trainer.
    """
    train, held_out, test = (images_of(data, split) for split in ("train", "validation", "test"))
    encoder = fit_clip(train, held_out, captions(), out, **settings)
    metrics = {}
    for name, images in (("validation", held_out), ("test", test)):
        accuracy = zero_shot_accuracy(encoder, captions(), images)
        metrics[f"zero-shot accuracy, {name}, %"] = round(100 * accuracy, 2)
    print(json.dumps(metrics, indent=2))
    save_trained(
        out,
        summary=f"small CLIP model of captioned {data} images",
        data=data,
        training=told(settings),
        networks={"model": Recipe("load_clip")},
        trained={"model": encoder},
        metrics=metrics,
    )


def train_vq(
    out: Path,
    data: ImagesName = "cifar10",
    codes: int = 512,
    latent_channels: int = 4,
    widths: Sequence[int] = (16, 32, 64),
    **settings: Any,
) -> None:
    """Train a vector-quantised autoencoder (a `diffusers.VQModel`) of images, and report how it uses its codes.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The images: `train` is learnt from, `validation` measures.
        codes: Vectors in the codebook.
        latent_channels: Length of a code.
        widths: Channels at each resolution; each resolution after the first is half the one before.
        settings: Of the trainer.
    """
    train, held_out = images_of(data, "train").images, images_of(data, "validation").images
    sizes: dict[str, Any] = {"codes": codes, "latent_channels": latent_channels, "widths": list(widths)}
    autoencoder = fit_vq(train, held_out, out, **sizes, **settings)
    metrics = measure_vq(autoencoder.network, held_out)
    print(json.dumps(metrics, indent=2))
    shape = {"image_size": train.shape[-1], "image_channels": train.shape[1]}
    save_trained(
        out,
        summary=f"vector-quantised autoencoder of {data}: {codes} codes of length {latent_channels}",
        data=data,
        training=told(settings),
        networks={"model": Recipe("vq_autoencoder", {**sizes, **shape})},
        trained={"model": autoencoder.network},
        metrics={f"{name}, validation": round(value, 4) for name, value in metrics.items()},
    )


def _classifier(name: str) -> SmallResNet:
    model = zoo.load(name).model
    if not isinstance(model, SmallResNet):
        raise ValueError(f"backbone is {name}, a {type(model).__name__}; give a SmallResNet, such as cifar10-resnet")
    return model
