"""Read SN-ResNet-GAN pairs saved by chainer: the 32 x 32 networks of sngan_projection, which DGflow refines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from wasserflow.models.adapters.chainer_file import ChainerFile
from wasserflow.models.sn_resnet import SNResNetCritic, SNResNetGenerator


def load_chainer_snresnet_generator(path: str | Path) -> SNResNetGenerator:
    """Build the generator of a chainer npz file, `ResNetGenerator` of `gen_models/resnet_32.py`, in eval mode.

    The file holds a linear layer `l1`, blocks `block2` to `block4` (`b1`, `c1`, `b2`, `c2`, `c_sc`), a batch norm `b5`
    and a convolution `c5`, without classes. Latents are standard normal.

    Args:
        path: the npz file.

    Returns:
        A generator from (batch, latent) to images on [-1, 1], float32, of the sizes that the file has.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or of another network; the message names it, and what is missing.

    Source:
        Miyato et al. (ICLR 2018), table 4; the layout is that of pfnet-research/sngan_projection.

    Example:
        >>> from wasserflow.models.adapters import load_chainer_snresnet_generator
        >>> load_chainer_snresnet_generator("absent.npz")
        Traceback (most recent call last):
        FileNotFoundError: absent.npz does not exist; give a chainer npz file
    """
    file = ChainerFile.read(path)
    _without_classes(file, "block2/b1/gammas/W", "load_chainer_projection_generator")
    image_channels, channels = file.take("c5/W", (None, None, 3, 3)).shape[:2]
    size, latent_dim = file.take("l1/W", (None, None)).shape
    coarse = math.isqrt(size // channels)
    if channels * coarse**2 != size:
        raise ValueError(f"{path}: l1/W makes {size} numbers, which are no square of c5/W's {channels} channels")
    with torch.random.fork_rng(devices=[]):
        network = SNResNetGenerator(
            channels, latent_dim=latent_dim, image_size=8 * coarse, image_channels=image_channels
        )
    layers: Any = network.network
    file.fill(layers[0], "l1")
    for index in (2, 3, 4):
        block = layers[index]
        for place, link in ((0, "b1"), (4, "b2")):
            file.fill_norm(block.residual[place], f"block{index}/{link}")
        file.fill_block(block, f"block{index}")
    file.fill_norm(layers[5], "b5")
    file.fill(layers[7], "c5")
    file.finish()
    return network.eval()


def load_chainer_snresnet_critic(path: str | Path) -> SNResNetCritic:
    """Build the critic of a chainer npz file, `SNResNetDiscriminator32` of `dis_models/snresnet_32.py`, in eval mode.

    The file holds blocks `block1` to `block4` (`c1`, `c2`, and `c_sc` in the first two) and a linear layer `l5` without
    bias, without classes. Before it the activations are summed, not averaged, over all positions: 64 times the mean
    for 32 x 32 images. Logits and the step size that suits them follow from that.

    Args:
        path: the npz file.

    Returns:
        A critic from images (batch, channels, height, width) on [-1, 1] to logits (batch,), float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or of another network; the message names it, and what is missing.

    Source:
        Miyato et al. (ICLR 2018), table 4; the layout is that of pfnet-research/sngan_projection.

    Example:
        >>> from wasserflow.models.adapters import load_chainer_snresnet_critic
        >>> load_chainer_snresnet_critic("absent.npz")
        Traceback (most recent call last):
        FileNotFoundError: absent.npz does not exist; give a chainer npz file
    """
    file = ChainerFile.read(path)
    _without_classes(file, "l_y/W", "load_chainer_projection_critic")
    channels, image_channels = file.take("block1/c1/W", (None, None, 3, 3)).shape[:2]
    with torch.random.fork_rng(devices=[]):
        critic = SNResNetCritic(channels, image_channels=image_channels)
    for index in range(4):
        file.fill_block(critic.trunk[index], f"block{index + 1}")
    file.fill_weight(critic.head, "l5")  # its bias is 0, and the link has none
    file.finish()
    return critic.eval()


def _without_classes(file: ChainerFile, name: str, other: str) -> None:
    if name in file.arrays:
        raise ValueError(f"{file.path} holds {name!r}: it is class-conditional; read it with {other}")
