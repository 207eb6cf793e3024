"""OCF-GAN-GP: the distance is that of characteristic functions, at frequencies whose scale is learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from wasserflow.modes import evaluating
from wasserflow.spaces import PriorSpace
from wasserflow.training.feature_distances import CharacteristicDistance
from wasserflow.training.feature_gan import FeatureGAN, train_feature_gan


def train_ocf_gan(
    generator: nn.Module,
    critic: nn.Module,
    prior: PriorSpace,
    images: UInt8[Tensor, "n channels height width"],
    out: Path,
    *,
    frequencies: int = 64,
    frequency_scale: float = 1.0,
    penalty: float = 1.0,
    **settings: Any,
) -> FeatureGAN:
    """Train an OCF-GAN with gradient penalty in a folder; see `train_feature_gan`.

    Args:
        generator: maps latents (batch, *latent) to images on [-1, 1]; trained in place.
        critic: maps images to features (batch, features), without batch norm; trained in place.
        prior: the space which latents are drawn from.
        images: the training set.
        out: a folder which does not exist yet, unless `resume` is given.
        frequencies: drawn afresh for every estimate of the distance.
        frequency_scale: root mean squared length of a frequency at the beginning.
        penalty: weight of the gradient penalty.
        settings: of `train_feature_gan`.

    Returns:
        The trained pair and the generator's average.

    Source:
        Ansari, Scarlett & Soh, A characteristic function approach to deep implicit generative modeling, CVPR 2020,
        sections 4 and 5.
    """
    with torch.no_grad(), evaluating(generator), evaluating(critic):
        features = critic(generator(prior.sample(1))).shape[1]
    distance = CharacteristicDistance(features, frequencies, frequency_scale)
    return train_feature_gan(generator, critic, prior, images, out, distance, penalty=penalty, **settings)
