"""Train a generator of images against a critic that gives each image a vector, by the distance of two clouds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from wasserflow.spaces import PriorSpace
from wasserflow.training.adversarial_pair import AdversarialPair
from wasserflow.training.fit_pair import fit_pair

Distance = Callable[[Tensor, Tensor, torch.Generator], Tensor]


class FeatureGAN(AdversarialPair):
    """A generator which brings the features of its images closer to those of real ones, and a critic that parts them.

    The critic raises distance(critic(real), critic(fake)), and the generator lowers it. Where the distance is a module,
    its parameters move with the critic's.

    Args:
        generator: maps latents (batch, *latent) to images on [-1, 1].
        critic: maps images to features (batch, features).
        prior: the space which latents are drawn from.
        distance: (features of real images, features of generated ones, a random stream) -> a scalar.
        settings: of `AdversarialPair`.

    Source:
        Li et al., MMD GAN, NeurIPS 2017; Ansari, Scarlett & Soh, CVPR 2020, section 4.

    Example:
        >>> from wasserflow.models import ConvEncoder, UpconvGenerator
        >>> from wasserflow.spaces import Normal
        >>> from wasserflow.training.feature_distances import CharacteristicDistance
        >>> from wasserflow.training.feature_gan import FeatureGAN
        >>> critic = ConvEncoder(outputs=4, batch_norm=False)
        >>> gan = FeatureGAN(UpconvGenerator(latent_dim=8), critic, Normal(8), CharacteristicDistance(4), penalty=10.0)
        >>> len(gan.configure_optimizers())
        2
    """

    def __init__(
        self, generator: nn.Module, critic: nn.Module, prior: PriorSpace, distance: Distance, **settings: Any
    ) -> None:
        super().__init__(generator, critic, prior, **settings)
        self.distance = distance

    def critic_parameters(self) -> Iterable[nn.Parameter]:
        """Return the critic's and the distance's."""
        learnt = self.distance.parameters() if isinstance(self.distance, nn.Module) else ()
        return [*self.critic.parameters(), *learnt]

    def critic_loss(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> Tensor:
        """Return minus the distance."""
        return -self.generator_loss(real, fake, stream)

    def generator_loss(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> Tensor:
        """Return the distance."""
        real_features, fake_features = self.judged(torch.cat([real, fake])).chunk(2)
        return self.distance(real_features, fake_features, stream)


def train_feature_gan(
    generator: nn.Module,
    critic: nn.Module,
    prior: PriorSpace,
    images: UInt8[Tensor, "n channels height width"],
    out: Path,
    distance: Distance,
    *,
    iterations: int = 20_000,
    critic_steps: int = 5,
    penalty: float = 10.0,
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.5, 0.9),
    decay: float = 0.999,
    flips: bool = True,
    seed: int = 0,
    **run: Any,
) -> FeatureGAN:
    """Train a generator by a distance of features and leave the run in a folder; see `fit_pair` for what it leaves.

    Args:
        generator: maps latents (batch, *latent) to images on [-1, 1]; trained in place.
        critic: maps images to features, without batch norm; trained in place.
        prior: the space which latents are drawn from.
        images: the training set.
        out: a folder which does not exist yet, unless `resume` is given.
        distance: what parts the two clouds of features; see `FeatureGAN`.
        iterations: updates of the generator in the whole run.
        critic_steps: critic updates for each update of the generator.
        penalty: weight of the gradient penalty between real and generated images.
        lr: learning rate of both Adam optimisers.
        betas: decay rates of both Adam optimisers.
        decay: decay of the generator's moving average.
        flips: mirror half of the real images; digits, say, must not be.
        seed: seeds batches, latents, flips, penalty points and what the distance draws.
        run: options of `fit_pair`: `batch_size`, `snapshot_every` and those of `fit_run`.

    Returns:
        The trained pair and the generator's average.

    Raises:
        ValueError: settings out of range; and see `fit_pair`.
    """
    pair = FeatureGAN(
        generator,
        critic,
        prior,
        distance,
        critic_steps=critic_steps,
        penalty=penalty,
        lr=lr,
        betas=betas,
        decay=decay,
        flips=flips,
        seed=seed,
    )
    return fit_pair(pair, images, out, iterations=iterations, **run)
