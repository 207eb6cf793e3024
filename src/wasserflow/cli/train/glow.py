"""`wasserflow train glow`: a normalizing flow, a generator without a critic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wasserflow.cli.names.images import IMAGE_SETS, ImagesName, images_of, mirrored
from wasserflow.cli.train.saving import built, save_trained, told
from wasserflow.models import Glow
from wasserflow.models.pretrained import Recipe
from wasserflow.training.glow import measure_glow
from wasserflow.training.glow import train_glow as fit_glow


def train_glow(
    out: Path,
    data: ImagesName = "cifar10",
    levels: int | None = None,
    depth: int = 8,
    width: int = 64,
    temperature: float = 1.0,
    flips: bool | None = None,
    seed: int = 0,
    **settings: Any,
) -> None:
    """Train a Glow on images; with the extra `glow`. A half precision would blur what the flow must invert.

    Give it a critic with `wasserflow train corrector`, or refine it with that of another generator of the same data:
    `wasserflow refine --model FOLDER --critic cifar10-sndcgan`.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The images: `train` is learnt from, `validation` measures.
        levels: Resolutions; 3 for cifar10 and 2 for mnist, if left out.
        depth: Steps of the flow at each level.
        width: Channels of the hidden layers of a coupling.
        temperature: Factor of the latents when sampling; below 1 samples are nearer to the mode.
        flips: Mirror half of the images; for cifar10 only, if left out.
        seed: Seeds the weights, the batches, dequantisation and mirroring.
        settings: Of the trainer.
    """
    train, held_out = images_of(data, "train").images, images_of(data, "validation").images
    sizes = {
        "image_size": train.shape[-1],
        "image_channels": train.shape[1],
        "levels": {"cifar10": 3, "mnist": 2}[data] if levels is None else levels,
        "depth": depth,
        "width": width,
        "temperature": temperature,
    }
    recipe = Recipe("Glow", sizes)
    (network,) = built(seed, recipe)
    assert isinstance(network, Glow)
    flips = mirrored(data, flips)
    glow = fit_glow(network, train, held_out, out, flips=flips, seed=seed, **settings)
    metrics = {"bits per dimension, validation": round(measure_glow(glow, held_out), 4)}
    print(json.dumps(metrics, indent=2))
    save_trained(
        out,
        summary=f"Glow of {data}",
        data=data,
        training=told(settings, flips=flips, seed=seed),
        networks={"generator": recipe},
        trained={"generator": glow},
        prior=Recipe("Normal", {"shape": glow.latent_dim}),
        refine={"features": IMAGE_SETS[data].judge},
        metrics=metrics,
        limits="it has no critic of its own: train a corrector, or refine with the critic of another generator",
    )
