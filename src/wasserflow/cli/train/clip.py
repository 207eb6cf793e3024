"""`wasserflow train clip`: a model of images and texts, which guides samples by words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from wasserflow.cli.names.images import images_of
from wasserflow.cli.train.saving import save_trained, told
from wasserflow.data.captions import captions
from wasserflow.models.pretrained import Recipe
from wasserflow.training.clip import train_clip as fit_clip
from wasserflow.training.clip import zero_shot_accuracy


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
