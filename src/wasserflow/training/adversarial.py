"""Train a generator of images against a critic that gives each image one logit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wasserflow.checks import require_counts
from wasserflow.spaces import PriorSpace
from wasserflow.training.adversarial_losses import NON_SATURATING, AdversarialLoss
from wasserflow.training.adversarial_pair import AdversarialPair
from wasserflow.training.penalties import slope_penalty
from wasserflow.training.settings import require_not_negative


class ImageGAN(AdversarialPair):
    """An image generator and its critic, trained against each other on the critic's logits.

    Args:
        generator: maps latents (batch, *latent) to images on [-1, 1].
        critic: maps images to logits (batch,) or (batch, 1), higher for more real.
        prior: the space which latents are drawn from.
        loss: what the two minimise: `NON_SATURATING`, `HINGE` or `WASSERSTEIN`.
        noise_std: standard deviation of normal noise on everything the critic sees, in units of the range [-1, 1].
        r1: weight of the penalty on the critic's slope at real images; 0 for none.
        penalty_every: the penalty `r1` is computed at every so many iterations and weighs as many times more.
        settings: of `AdversarialPair`.

    Raises:
        ValueError: a negative noise_std or r1, penalty_every below 1; and see `AdversarialPair`.

    Source:
        Miyato et al., Spectral normalization for generative adversarial networks, ICLR 2018.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        prior: PriorSpace,
        loss: AdversarialLoss = NON_SATURATING,
        *,
        noise_std: float = 0.0,
        r1: float = 0.0,
        penalty_every: int = 16,
        **settings: Any,
    ) -> None:
        super().__init__(generator, critic, prior, **settings)
        require_not_negative(noise_std=noise_std, r1=r1)
        require_counts(penalty_every=penalty_every)
        self.loss, self.noise_std = loss, noise_std
        self.r1, self.penalty_every = r1, penalty_every

    def critic_loss(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> Tensor:
        """Return the loss of telling real images from generated ones."""
        real_logits, fake_logits = self._logits(torch.cat([real, fake]), stream).chunk(2)
        means = {"real_logit": real_logits.detach().mean(), "fake_logit": fake_logits.detach().mean()}
        self.log_dict(means, prog_bar=True)
        return self.loss.critic(real_logits, fake_logits)

    def generator_loss(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> Tensor:
        """Return the loss of looking real."""
        return self.loss.generator(self._logits(fake, stream))

    def penalties(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> Tensor | float:
        """Return the gradient penalty, and R1 where it is due."""
        total = super().penalties(real, fake, stream)
        if self.r1 and self.global_step % self.penalty_every == 0:
            total = total + self.r1 * self.penalty_every * slope_penalty(self.critic, real)
        return total

    def _logits(self, x: Tensor, stream: torch.Generator) -> Tensor:
        if self.noise_std:
            x = x + self.noise_std * torch.randn(x.shape, generator=stream).to(x)
        return self.judged(x).flatten()
