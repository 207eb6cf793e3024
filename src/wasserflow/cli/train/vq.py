"""`wasserflow train vq`: an autoencoder whose latents are discrete."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wasserflow.cli.names.images import ImagesName, images_of
from wasserflow.cli.train.saving import save_trained, told
from wasserflow.models.pretrained import Recipe
from wasserflow.training.vq import measure_vq
from wasserflow.training.vq import train_vq as fit_vq


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
