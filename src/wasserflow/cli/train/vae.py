"""`wasserflow train vae`: a generator without a critic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wasserflow.cli.names.images import IMAGE_SETS, ImagesName, images_of, mirrored
from wasserflow.cli.train.saving import built, save_trained, told
from wasserflow.models.pretrained import Recipe
from wasserflow.training.vae import measure_vae
from wasserflow.training.vae import train_vae as fit_vae


def train_vae(
    out: Path,
    data: ImagesName = "cifar10",
    width: int = 64,
    latent_dim: int = 64,
    flips: bool | None = None,
    seed: int = 0,
    **settings: Any,
) -> None:
    """Train a variational autoencoder on images; its decoder is a generator.

    Give it a critic with `wasserflow train corrector`, or refine it with that of another generator of the same data:
    `wasserflow refine --model FOLDER --critic cifar10-sndcgan`.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The images: `train` is learnt from, `validation` measures.
        width: Channels at the finest resolution of encoder and decoder, doubled at each coarser one; 64 in the paper.
        latent_dim: Length of a latent.
        flips: Mirror half of the images; for cifar10 only, if left out.
        seed: Seeds the weights, the batches, the latents and mirroring.
        settings: Of the trainer.
    """
    train, held_out = images_of(data, "train").images, images_of(data, "validation").images
    shape = {"image_size": train.shape[-1], "image_channels": train.shape[1]}
    widths = [width, 2 * width, 4 * width]
    networks = {
        "generator": Recipe("UpconvGenerator", {"latent_dim": latent_dim, "widths": widths[::-1], **shape}),
        "encoder": Recipe("ConvEncoder", {"outputs": 2 * latent_dim, "widths": widths, **shape}),
    }
    decoder, encoder = built(seed, *networks.values())
    flips = mirrored(data, flips)
    vae = fit_vae(encoder, decoder, latent_dim, train, out, flips=flips, seed=seed, **settings)
    metrics = {name: round(value, 4) for name, value in measure_vae(vae, held_out).items()}
    metrics["std of a pixel"] = round(float(vae.log_std.detach().exp()), 4)
    print(json.dumps(metrics, indent=2))
    save_trained(
        out,
        summary=f"variational autoencoder of {data}",
        data=data,
        training=told(settings, flips=flips, seed=seed),
        networks=networks,
        trained={"generator": vae.decoder, "encoder": vae.encoder},
        prior=Recipe("Normal", {"shape": latent_dim}),
        refine={"features": IMAGE_SETS[data].judge},
        metrics={f"{name}, validation" if "std" not in name else name: value for name, value in metrics.items()},
        limits="it has no critic of its own: train a corrector, or refine with the critic of another generator",
    )
