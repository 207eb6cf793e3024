"""Read class-conditional SN-ResNet-GAN pairs saved by chainer: the networks of sngan_projection, of any resolution."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import torch

from wasserflow.models.adapters.chainer_file import ChainerFile
from wasserflow.models.class_resnet import ClassResNetGenerator, ProjectionCritic

_BLOCK = re.compile(r"block(\d+)/")


def load_chainer_projection_generator(path: str | Path) -> ClassResNetGenerator:
    """Build the class-conditional generator of a chainer npz file, `ResNetGenerator` of `gen_models`, in eval mode.

    The file holds a linear layer `l1`, blocks `block2`, `block3`, ... with batch norms of the class, a batch norm `b7`
    and a convolution `l7` of the next number (`c5` where images have 32 pixels). Latents are standard normal. DOT's
    published `ResNetGenerator_850000.npz` is such a file.

    Args:
        path: the npz file.

    Returns:
        A generator of latents (batch, latent) and labels (batch,), float32, of the sizes that the file has;
        `wf.models.bind_label(generator, label)` makes it a function of the latents.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or of another network; the message names it, and what is missing.

    Source:
        Miyato & Koyama (ICLR 2018); the layout is that of pfnet-research/sngan_projection.

    Example:
        >>> from wasserflow.models.adapters import load_chainer_projection_generator
        >>> load_chainer_projection_generator("absent.npz")
        Traceback (most recent call last):
        FileNotFoundError: absent.npz does not exist; give a chainer npz file
    """
    file = ChainerFile.read(path)
    numbers = _numbers(file, first=2)
    after = numbers[-1] + 1
    last = "c5" if {"c5/W", "c5/b"} & set(file.arrays) else f"l{after}"
    classes = len(file.take("block2/b1/gammas/W", (None, None)))
    image_channels = len(file.take(f"{last}/W", (None, None, 3, 3)))
    convolutions = [file.take(f"block{number}/c1/W", (None, None, 3, 3)) for number in numbers]
    widths = [convolutions[0].shape[1], *map(len, convolutions)]
    size, latent_dim = file.take("l1/W", (None, None)).shape
    coarse = math.isqrt(size // widths[0])
    if widths[0] * coarse**2 != size:
        raise ValueError(
            f"{path}: l1/W makes {size} numbers, which are no square of block2/c1/W's {widths[0]} channels"
        )
    with torch.random.fork_rng(devices=[]):
        generator = ClassResNetGenerator(
            widths, classes, latent_dim=latent_dim, coarse=coarse, image_channels=image_channels
        )
    network: Any = generator
    file.fill(network.start[0], "l1")
    for number, block in zip(numbers, network.blocks, strict=True):
        for index, norm in enumerate(block.norms, start=1):
            file.fill_statistics(norm.norm, f"block{number}/b{index}")
            file.fill_weight(norm.scale, f"block{number}/b{index}/gammas")
            file.fill_weight(norm.shift, f"block{number}/b{index}/betas")
        for convolution, link in ((block.widen[2], "c1"), (block.mix[1], "c2"), (block.shortcut[0], "c_sc")):
            file.fill(convolution, f"block{number}/{link}")
    file.fill_norm(network.end[0], f"b{after}")
    file.fill(network.end[2], last)
    file.finish()
    return generator.eval()


def load_chainer_projection_critic(path: str | Path) -> ProjectionCritic:
    """Build the projection critic of a chainer npz file, `SNResNetProjectionDiscriminator` there, in eval mode.

    The file holds blocks `block1`, `block2`, ... (`c1`, `c2`, and `c_sc` in those that halve the resolution), a linear
    layer `l7` of the next number and the classes' vectors `l_y`. Before both the activations are summed, not averaged,
    over all positions. DOT's published `SNResNetProjectionDiscriminator_850000.npz` is such a file.

    Args:
        path: the npz file.

    Returns:
        A critic of images (batch, channels, height, width) on [-1, 1] and labels (batch,), float32;
        `wf.models.bind_label(critic, label)` makes it a function of the images.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or of another network; the message names it, and what is missing.

    Source:
        Miyato & Koyama (ICLR 2018); the layout is that of pfnet-research/sngan_projection.

    Example:
        >>> from wasserflow.models.adapters import load_chainer_projection_critic
        >>> load_chainer_projection_critic("absent.npz")
        Traceback (most recent call last):
        FileNotFoundError: absent.npz does not exist; give a chainer npz file
    """
    file = ChainerFile.read(path)
    numbers = _numbers(file, first=1)
    image_channels = file.take("block1/c1/W", (None, None, 3, 3)).shape[1]
    widths = [len(file.take(f"block{number}/c2/W", (None, None, 3, 3))) for number in numbers]
    halvings = sum(bool({f"block{number}/c_sc/W", f"block{number}/c_sc/b"} & set(file.arrays)) for number in numbers)
    classes = len(file.take("l_y/W", (None, None)))
    with torch.random.fork_rng(devices=[]):
        critic = ProjectionCritic(widths, classes, halvings=halvings, image_channels=image_channels)
    for number, block in zip(numbers, critic.trunk, strict=False):
        file.fill_block(block, f"block{number}")
    last = f"l{numbers[-1] + 1}"
    # Without a bias in the networks of 32 pixels.
    if f"{last}/b" in file.arrays:
        file.fill(critic.head, last)
    else:
        file.fill_weight(critic.head, last)
        torch.nn.init.zeros_(critic.head.bias)
    file.fill_weight(critic.embedding, "l_y")
    file.finish()
    return critic.eval()


def _numbers(file: ChainerFile, first: int) -> list[int]:
    """The numbers of the blocks, from the first to the greatest that the file has anything of."""
    found = [int(match[1]) for match in map(_BLOCK.match, file.arrays) if match]
    return list(range(first, max(found, default=first) + 1))
