"""Multilayer perceptrons of whole images: the plainest GAN."""

from __future__ import annotations

from functools import partial

from torch import nn

from wasserflow.models.mlp import mlp_critic, mlp_generator

_leaky = partial(nn.LeakyReLU, 0.2)


def image_mlp_generator(
    latent: int = 64, image_size: int = 28, image_channels: int = 1, width: int = 256, layers: int = 3
) -> nn.Sequential:
    """Make a perceptron which maps latents (batch, latent) to images (batch, channels, height, width) on [-1, 1].

    Args:
        latent: length of a latent.
        image_size: height and width in pixels.
        image_channels: 3 for colour, 1 for grey.
        width: units of a hidden layer.
        layers: number of hidden layers.

    Returns:
        An `nn.Sequential` with fresh weights from torch's global random stream.

    Source:
        Goodfellow et al., Generative adversarial nets, NeurIPS 2014, section 5, with leaky ReLUs.

    Example:
        >>> import torch
        >>> from wasserflow.models import image_mlp_generator
        >>> image_mlp_generator(width=16)(torch.zeros(5, 64)).shape
        torch.Size([5, 1, 28, 28])
    """
    shape = (image_channels, image_size, image_size)
    pixels = mlp_generator(latent, image_channels * image_size**2, width, layers, _leaky)
    return nn.Sequential(*pixels, nn.Tanh(), nn.Unflatten(1, shape))


def image_mlp_critic(image_size: int = 28, image_channels: int = 1, width: int = 256, layers: int = 3) -> nn.Sequential:
    """Make a perceptron which maps images (batch, channels, height, width) to logits (batch,), higher where more real.

    Args:
        image_size: height and width in pixels.
        image_channels: 3 for colour, 1 for grey.
        width: units of a hidden layer.
        layers: number of hidden layers.

    Returns:
        An `nn.Sequential` with fresh weights from torch's global random stream.

    Source:
        Goodfellow et al., Generative adversarial nets, NeurIPS 2014, section 5, with leaky ReLUs.

    Example:
        >>> import torch
        >>> from wasserflow.models import image_mlp_critic
        >>> image_mlp_critic(width=16)(torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5])
    """
    return nn.Sequential(nn.Flatten(), *mlp_critic(image_channels * image_size**2, width, layers, _leaky))
