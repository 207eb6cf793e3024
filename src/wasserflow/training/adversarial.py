"""Train a generator and a critic of images against each other."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import lightning
import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.data.images import to_float
from wasserflow.spaces import PriorSpace
from wasserflow.training.adversarial_losses import NON_SATURATING, AdversarialLoss
from wasserflow.training.augment import flip
from wasserflow.training.averaging import moving_average, reestimate_batch_norm
from wasserflow.training.batches import step_stream
from wasserflow.training.optimizers import optimizer_at
from wasserflow.training.spectral import settle_spectral_norms


def slope_penalty(critic: Callable[[Tensor], Tensor], x: Float[Tensor, "batch *event"]) -> Float[Tensor, ""]:
    """Penalise the critic's slope at given samples: mean(‖∇ critic(x)‖²) / 2.

    Args:
        critic: maps (batch, *event) to (batch,) or (batch, 1).
        x: real samples for the penalty R1, generated ones for R2.

    Returns:
        The penalty, a scalar which can be differentiated by the critic's parameters.

    Source:
        Mescheder et al., Which training methods for GANs do actually converge?, ICML 2018, eq. 9 and 10.

    Example:
        >>> import torch
        >>> from wasserflow.training.adversarial import slope_penalty
        >>> slope_three = torch.nn.Linear(1, 1)
        >>> _ = torch.nn.init.constant_(slope_three.weight, 3.0)
        >>> slope_penalty(slope_three, torch.zeros(4, 1)).item()
        4.5
    """
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(1).mean() / 2


class ImageGAN(lightning.LightningModule):
    """An image generator and its critic, trained against each other one step each.

    Each iteration the critic lowers `loss.critic` on a batch of real images and as many generated ones, then the
    generator lowers `loss.generator` on the same generated ones. `trainer.global_step` counts these iterations.
    The moving average of the generator is `.averaged_generator()`.

    Args:
        generator: maps latents (batch, *latent) to images on [-1, 1].
        critic: maps images to logits (batch,), higher for more real.
        prior: the space which latents are drawn from.
        loss: what the two minimise, `NON_SATURATING` or `HINGE`.
        lr: learning rate of both Adam optimisers.
        betas: decay rates of both Adam optimisers.
        decay: decay of the generator's moving average, per iteration.
        flips: mirror half of the real images.
        noise_std: standard deviation of normal noise on everything the critic sees, in units of the range [-1, 1].
        r1: weight of the penalty on the critic's slope at real images; 0 for none.
        penalty_every: the penalty is computed at every so many iterations and weighs as many times more.
        seed: seeds latents, flips and noise; a resumed run repeats an uninterrupted one.

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
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        decay: float = 0.999,
        flips: bool = True,
        noise_std: float = 0.0,
        r1: float = 0.0,
        penalty_every: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = generator
        self.critic = critic
        self.average = moving_average(generator, decay)
        self.prior, self.loss = prior, loss
        self.lr, self.betas = lr, betas
        self.flips, self.noise_std = flips, noise_std
        self.r1, self.penalty_every = r1, penalty_every
        self.seed = seed

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Give the critic and the generator an Adam each."""
        return [torch.optim.Adam(m.parameters(), lr=self.lr, betas=self.betas) for m in (self.critic, self.generator)]

    def on_fit_start(self) -> None:
        """Lay convolution weights out as the fast kernels read them, and keep the average out of training mode."""
        self.to(memory_format=torch.channels_last)
        self.average.eval()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Update the critic, the generator and the generator's average once each."""
        stream = step_stream(self.seed, self.global_step, self.global_rank)
        real = self._prepare(batch[0] if isinstance(batch, (tuple, list)) else batch, stream)
        latents = self.prior.sample(len(real), seed=stream, device=self.device)
        fake = self.generator(latents).float()
        critic_loss, real_logits, fake_logits = self._update_critic(real, fake.detach(), stream)
        generator_loss = self._update_generator(fake, stream)
        self.average.update_parameters(self.generator)
        self.log_dict({"critic_loss": critic_loss, "generator_loss": generator_loss}, prog_bar=True)
        self.log_dict({"real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}, prog_bar=True)

    def averaged_generator(self, batches: int = 100, batch_size: int = 64) -> nn.Module:
        """Return a copy of the generator's moving average, in evaluation mode, with batch norms measured afresh.

        While training swings, averaged weights have smaller activations than any network whose running statistics
        were averaged; with those the pictures are pale.

        Args:
            batches: batches of samples which the statistics are taken over.
            batch_size: samples in each.
        """
        generator = deepcopy(self.average.module)
        latents = self.prior.sample(batches * batch_size, seed=self.seed, device=self.device)
        reestimate_batch_norm(generator, lambda i: latents[i * batch_size : (i + 1) * batch_size], batches)
        return generator.eval()

    def settled_critic(self) -> nn.Module:
        """Return a copy of the critic, in evaluation mode, its spectral norms exact."""
        critic = deepcopy(self.critic).eval()
        settle_spectral_norms(critic)
        return critic

    def _prepare(self, images: Tensor, stream: torch.Generator) -> Tensor:
        images = to_float(images) if images.dtype == torch.uint8 else images
        return flip(images, stream) if self.flips else images

    def _logits(self, x: Tensor, stream: torch.Generator) -> Tensor:
        if self.noise_std:
            x = x + self.noise_std * torch.randn(x.shape, generator=stream).to(x)
        # The loss is computed in full precision whatever the networks run in.
        return self.critic(x.contiguous(memory_format=torch.channels_last)).float()

    def _update_critic(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        optimizer = optimizer_at(self, 0)
        real_logits, fake_logits = self._logits(torch.cat([real, fake]), stream).chunk(2)
        loss = self.loss.critic(real_logits, fake_logits)
        total = loss
        if self.r1 and self.global_step % self.penalty_every == 0:
            # A second derivative needs full precision.
            with torch.autocast(self.device.type, enabled=False):
                total = total + self.r1 * self.penalty_every * slope_penalty(self.critic, real)
        optimizer.zero_grad()
        self.manual_backward(total)
        # Stepped without Lightning's wrapper, which counts: the global step is to count iterations.
        optimizer.optimizer.step()
        return loss.detach(), real_logits.detach(), fake_logits.detach()

    def _update_generator(self, fake: Tensor, stream: torch.Generator) -> Tensor:
        optimizer = optimizer_at(self, 1)
        self.toggle_optimizer(optimizer)
        loss = self.loss.generator(self._logits(fake, stream))
        self.untoggle_optimizer(optimizer)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return loss.detach()
