"""`wasserflow train` for what measures, guides and compresses images, leaving a model that other commands read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from wasserflow.cli.trained import ImagesName, images_of, mirrored, save_trained, told
from wasserflow.data.captions import captions
from wasserflow.models.pretrained import Recipe
from wasserflow.training.attack import robust_accuracy
from wasserflow.training.classifier import train_classifier as fit_classifier
from wasserflow.training.clip import train_clip as fit_clip
from wasserflow.training.clip import zero_shot_accuracy
from wasserflow.training.vq import measure_vq
from wasserflow.training.vq import train_vq as fit_vq


def train_classifier(
    out: Path, data: ImagesName = "cifar10", radius: float = 0.0, flips: bool | None = None, **settings: Any
) -> None:
    """Train a small residual classifier, whose last hidden layer serves as the features of metrics.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The labelled images: `train` is learnt from, `validation` chooses the checkpoint, `test` is measured.
        radius: Of the L2 ball around each image on [-1, 1] in which the classifier is to be right; 0 for ordinary
            training.
        flips: Mirror half of the training images; for cifar10 only, if left out.
        settings: Of the trainer.
    """
    flips = mirrored(data, flips)
    train, held_out, test = (images_of(data, split) for split in ("train", "validation", "test"))
    network = fit_classifier(train, held_out, out, radius=radius, flips=flips, **settings)
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
        training=told({**settings, "radius": radius, "flips": flips}),
        networks={"model": Recipe("SmallResNet", sizes)},
        trained={"model": network},
        used_by=f"evaluate --samples ... --reference {data} --features",
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
        used_by="reproduce text-guidance --clip",
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
        used_by="reproduce vq --model",
        metrics={f"{name}, validation": round(value, 4) for name, value in metrics.items()},
    )
