"""Read SN-DCGAN pairs saved by chainer: the files of chainer-gan-lib, DOT and DGflow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wasserflow.models.adapters.chainer_file import CHAINER_EPS, ChainerFile
from wasserflow.models.dcgan_critic import DCGANCritic
from wasserflow.models.sndcgan import SNDCGANGenerator

_SNDCGAN = ("c0_0", "c0_1", "c1_0", "c1_1", "c2_0", "c2_1", "c3_0")
_WGAN = ("c0", "c1", "c1_0", "c2", "c2_0", "c3", "c3_0")


def load_chainer_sndcgan_generator(path: str | Path) -> SNDCGANGenerator:
    """Build the generator of a chainer npz file, `DCGANGenerator` there, in eval mode.

    The file holds a linear layer `l0`, deconvolutions `dc1` to `dc4` and batch norms `bn0` to `bn3`; the first has a
    mean and a variance of every number, not of every channel, and so is folded into the linear layer: train another
    generator. Latents are 128 numbers on [-1, 1] (`wf.spaces.Box(-1, 1, 128)`) or standard normal, as it was trained.

    Args:
        path: the npz file.

    Returns:
        A generator from (batch, latent) to images on [-1, 1], float32, of the sizes that the file has.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or of another network; the message names it, and what is missing.

    Source:
        Miyato et al. (ICLR 2018), table 3; the layout is that of pfnet-research/chainer-gan-lib.

    Example:
        >>> import wasserflow as wf
        >>> from wasserflow.models.adapters import load_chainer_sndcgan_generator
        >>> load_chainer_sndcgan_generator("absent.npz")
        Traceback (most recent call last):
        FileNotFoundError: absent.npz does not exist; give a chainer npz file
    """
    file = ChainerFile.read(path)
    channels = len(file.take("dc1/W", (None, None, 4, 4)))
    size, latent_dim = file.take("l0/W", (None, None)).shape
    coarse = math.isqrt(size // channels)
    if channels % 8 or channels * coarse**2 != size:
        raise ValueError(f"{path}: l0/W makes {size} numbers, which are no square of dc1/W's {channels} channels")
    with torch.random.fork_rng(devices=[]):
        image_channels = file.take("dc4/W", (None, None, 3, 3)).shape[1]
        network = SNDCGANGenerator(
            channels, latent_dim=latent_dim, image_size=8 * coarse, image_channels=image_channels
        )
    layers: Any = network.network
    _fill_first(file, layers[0], layers[2])
    for index, place in enumerate((4, 7, 10), start=1):
        file.fill(layers[place], f"dc{index}")
        file.fill_norm(layers[place + 1], f"bn{index}")
    _fill_last(file, layers[13])
    file.finish()
    return network.eval()


def load_chainer_sndcgan_critic(path: str | Path) -> DCGANCritic:
    """Build the critic of a chainer npz file, `SNDCGANDiscriminator` there, in eval mode.

    The file holds the convolutions `c0_0`, `c0_1` to `c3_0` and a linear layer `l4`, spectrally normalised.
    Files of chainer-gan-lib, DOT and DGflow keep no
    vectors of the normalisation; the weights' own are taken then, to which training had brought them.

    Args:
        path: the npz file.

    Returns:
        A critic from images (batch, channels, height, width) on [-1, 1] to logits (batch,), float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or of another network; the message names it, and what is missing.

    Source:
        Miyato et al. (ICLR 2018); the layout is that of pfnet-research/chainer-gan-lib.

    Example:
        >>> from wasserflow.models.adapters import load_chainer_sndcgan_critic
        >>> load_chainer_sndcgan_critic("absent.npz")
        Traceback (most recent call last):
        FileNotFoundError: absent.npz does not exist; give a chainer npz file
    """
    return _critic(path, _SNDCGAN, normalise=True)


def load_chainer_wgan_critic(path: str | Path) -> DCGANCritic:
    """Build the critic of a chainer npz file, `WGANDiscriminator` there, in eval mode.

    The same stack as the SN-DCGAN's without normalisation: `c0`, `c1`, `c1_0`, `c2`, `c2_0`, `c3`, `c3_0` and `l4`.

    Args:
        path: the npz file.

    Returns:
        A critic from images (batch, channels, height, width) on [-1, 1] to scores (batch,), float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or of another network; the message names it, and what is missing.

    Source:
        Gulrajani et al. 2017; the layout is that of pfnet-research/chainer-gan-lib.

    Example:
        >>> from wasserflow.models.adapters import load_chainer_wgan_critic
        >>> load_chainer_wgan_critic("absent.npz")
        Traceback (most recent call last):
        FileNotFoundError: absent.npz does not exist; give a chainer npz file
    """
    return _critic(path, _WGAN, normalise=False)


def _fill_first(file: ChainerFile, linear: nn.Linear, norm: nn.BatchNorm2d) -> None:
    """Fold the batch norm of every number into the linear layer; that of the channels then changes nothing."""
    file.fill(linear, "l0")
    with torch.no_grad():
        parts = ("gamma", "beta", "avg_mean", "avg_var")
        scale, shift, mean, variance = (file.take(f"bn0/{part}", (linear.out_features,)) for part in parts)
        factor = scale / (variance + CHAINER_EPS).sqrt()
        linear.weight.mul_(factor[:, None])
        linear.bias.copy_((linear.bias - mean) * factor + shift)
        norm.running_var.fill_(1 - norm.eps)  # type: ignore[union-attr]


def _fill_last(file: ChainerFile, convolution: nn.Conv2d) -> None:
    """A deconvolution of stride 1 is a convolution with its kernel turned round."""
    image_channels, channels = convolution.weight.shape[:2]
    with torch.no_grad():
        weight = file.take("dc4/W", (channels, image_channels, 3, 3))
        convolution.weight.copy_(weight.transpose(0, 1).flip(2, 3))
        convolution.bias.copy_(file.take("dc4/b", (image_channels,)))  # type: ignore[union-attr]


def _critic(path: str | Path, names: Sequence[str], *, normalise: bool) -> DCGANCritic:
    file = ChainerFile.read(path)
    image_channels = file.take(f"{names[0]}/W", (None, None, 3, 3)).shape[1]
    channels = len(file.take(f"{names[-1]}/W", (None, None, 3, 3)))
    size = file.take("l4/W", (1, None)).shape[1]
    coarse = math.isqrt(size // channels)
    if channels % 8 or channels * coarse**2 != size:
        raise ValueError(f"{path}: l4/W takes {size} numbers, no square of {names[-1]}/W's {channels} channels")
    with torch.random.fork_rng(devices=[]):
        critic = DCGANCritic(channels, image_size=8 * coarse, image_channels=image_channels, normalise=normalise)
    trunk: Any = critic.trunk
    for index, name in enumerate(names):
        file.fill(trunk[2 * index], name)
    file.fill(critic.head, "l4")
    file.finish()
    return critic.eval()
