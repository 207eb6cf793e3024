"""`wasserflow train classifier`: whose features measure images, and whose gradients guide them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wasserflow.cli.names.images import ImagesName, images_of, mirrored
from wasserflow.cli.train.saving import save_trained, told
from wasserflow.models.pretrained import Recipe
from wasserflow.training.attack import robust_accuracy
from wasserflow.training.classifier import train_classifier as fit_classifier


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
