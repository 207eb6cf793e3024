"""`wasserflow train wgan-gp`: perceptrons of points, or convolutional networks of images."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from torch import Tensor

from wasserflow.cli.names.images import IMAGE_SETS, ImagesName, images_of, mirrored
from wasserflow.cli.names.measures import POINTS
from wasserflow.cli.train.saving import built, save_trained, told
from wasserflow.models.pretrained import Recipe
from wasserflow.spaces import Normal
from wasserflow.training.fit_pair import fit_pair
from wasserflow.training.image_gan import train_image_gan
from wasserflow.training.image_wgan_gp import train_image_wgan_gp
from wasserflow.training.run import fit_run
from wasserflow.training.wgan_gp import train_wgan_gp as fit_wgan_gp

ToyName = Literal["25gaussians", "swissroll"]

# Ansari et al. (2021), appendix D.1.
_PUBLISHED_2D = {"space": "data", "divergence": "kl", "step_size": 0.01, "temperature": 0.01, "steps": 100}


def train_wgan_gp(out: Path, data: ToyName | ImagesName = "25gaussians", seed: int = 0, **settings: Any) -> None:
    """Train a WGAN-GP: of multilayer perceptrons on a 2-D distribution, of convolutional networks on images.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The distribution or the images.
        seed: Seeds the training set, the weights, the minibatches and the latents.
        settings: Of the trainer; some are only of the one for points, some only of the one for images.
    """
    # The parser knows the options of both trainers.
    for name in sorted(settings.keys() - options_for(data)):
        raise ValueError(f"{name} is {settings[name]}, but training on {data} has no such option; leave it out")
    if data == "cifar10" or data == "mnist":
        _train_on_images(out, data, seed, **settings)
    else:
        _train_on_points(out, data, seed, **settings)


def options_for(data: ToyName | ImagesName) -> set[str]:
    """Which settings the trainer for these data takes, itself or by the functions that it passes them on to."""
    of_images = (_train_on_images, train_image_wgan_gp, train_image_gan, fit_pair, fit_run)
    of_points = (_train_on_points, fit_wgan_gp, fit_run)
    takers: tuple[Callable[..., Any], ...] = of_points if data in get_args(ToyName) else of_images
    parameters = (parameter for taker in takers for parameter in inspect.signature(taker).parameters.values())
    return {parameter.name for parameter in parameters if parameter.default is not inspect.Parameter.empty}


def _train_on_points(out: Path, data: ToyName, seed: int, width: int = 512, layers: int = 3, **settings: Any) -> None:
    """Train perceptrons.

    Args:
        out: The folder.
        data: The distribution.
        seed: Seeds everything.
        width: Units of a hidden layer of the networks for points.
        layers: Hidden layers of the networks for points.
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


def _train_on_images(
    out: Path,
    data: ImagesName,
    seed: int,
    channels: int = 128,
    critic_channels: int = 128,
    latent_dim: int = 128,
    flips: bool | None = None,
    **settings: Any,
) -> None:
    """Train a DCGAN's generator against a critic without spectral or batch norm.

    Args:
        out: The folder.
        data: The training images.
        seed: Seeds everything.
        channels: The generator's channels at its coarsest resolution.
        critic_channels: The critic's channels at its coarsest resolution.
        latent_dim: Length of a latent.
        flips: Mirror half of the real images; for cifar10 only, if left out.
        settings: Of the trainer.
    """
    images = images_of(data, "train").images
    networks = _networks(images, channels, critic_channels, latent_dim)
    generator, critic = built(seed, *networks.values())
    flips = mirrored(data, flips)
    gan = train_image_wgan_gp(generator, critic, Normal(latent_dim), images, out, flips=flips, seed=seed, **settings)
    save_trained(
        out,
        summary=f"WGAN-GP of DCGAN networks on {data}",
        data=data,
        training=told(settings, flips=flips, seed=seed),
        networks=networks,
        trained={"generator": gan.averaged_generator(), "critic": gan.settled_critic()},
        prior=Recipe("Normal", {"shape": latent_dim}),
        refine={"features": IMAGE_SETS[data].judge},
    )


def _networks(images: Tensor, channels: int, critic_channels: int, latent_dim: int) -> dict[str, Recipe]:
    """Those of SN-DCGAN where the size is a multiple of 8, as they need; for digits, ones that round halves up."""
    shape = {"image_size": images.shape[-1], "image_channels": images.shape[1]}
    if shape["image_size"] % 8 == 0:
        return {
            "generator": Recipe("SNDCGANGenerator", {"channels": channels, "latent_dim": latent_dim, **shape}),
            "critic": Recipe("SNDCGANCritic", {"channels": critic_channels, "normalise": False, **shape}),
        }
    made = {"widths": [channels, channels // 2, channels // 4], "latent_dim": latent_dim}
    judged = {"widths": [critic_channels // 4, critic_channels // 2, critic_channels], "outputs": 1}
    return {
        "generator": Recipe("UpconvGenerator", {**made, **shape}),
        "critic": Recipe("ConvEncoder", {**judged, "batch_norm": False, **shape}),
    }
