"""A generator and a critic of images that are trained against each other, whatever they minimise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from wasserflow.data.images import to_float
from wasserflow.freezing import copied
from wasserflow.seeds import subseed
from wasserflow.spaces import PriorSpace
from wasserflow.training.augment import flip
from wasserflow.training.averaging import moving_average, reestimate_batch_norm
from wasserflow.training.batches import step_stream
from wasserflow.training.optimizers import optimizer_at
from wasserflow.training.penalties import gradient_penalty
from wasserflow.training.settings import require_adam
from wasserflow.training.spectral import settle_spectral_norms


class AdversarialPair(lightning.LightningModule, ABC):
    """An image generator and its critic, trained against each other.

    Each iteration the critic lowers its loss `critic_steps` times, on as many real images as generated ones, then the
    generator lowers its own once on the last of the generated ones. A loader yields `critic_steps` minibatches in one.
    `trainer.global_step` counts iterations. The moving average of the generator is `.averaged_generator()`.

    Args:
        generator: maps latents (batch, *latent) to images on [-1, 1].
        critic: maps images to what the losses take, (batch,) or (batch, outputs).
        prior: the space which latents are drawn from.
        critic_steps: critic updates for each update of the generator.
        penalty: weight of the gradient penalty between real and generated images; 0 for none.
        lr: learning rate of both Adam optimisers.
        betas: decay rates of both Adam optimisers.
        decay: decay of the generator's moving average, per iteration.
        flips: mirror half of the real images.
        seed: seeds latents, flips and penalty points; a resumed run repeats an uninterrupted one.

    Raises:
        ValueError: critic_steps below 1, a negative penalty, or lr, betas or decay out of range.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        prior: PriorSpace,
        *,
        critic_steps: int = 1,
        penalty: float = 0.0,
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        decay: float = 0.999,
        flips: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if critic_steps < 1:
            raise ValueError(f"critic_steps is {critic_steps}; the critic needs at least 1")
        if not penalty >= 0:
            raise ValueError(f"penalty is {penalty}; it must be 0 (none) or more")
        require_adam(lr, betas)
        self.automatic_optimization = False
        self.generator = generator
        self.critic = critic
        self.average = moving_average(generator, decay)
        self.prior = prior
        self.critic_steps, self.penalty = critic_steps, penalty
        self.lr, self.betas = lr, betas
        self.flips, self.seed = flips, seed

    @abstractmethod
    def critic_loss(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> Tensor:
        """Return what the critic minimises, penalties apart."""

    @abstractmethod
    def generator_loss(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> Tensor:
        """Return what the generator minimises."""

    def penalties(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> Tensor | float:
        """Return what is added to the critic's loss, in full precision: a second derivative needs it."""
        return self.penalty * gradient_penalty(self.critic, real, fake, stream) if self.penalty else 0.0

    def critic_parameters(self) -> Iterable[nn.Parameter]:
        """Return what moves against the generator."""
        return self.critic.parameters()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Give the critic and the generator an Adam each."""
        players = (self.critic_parameters(), self.generator.parameters())
        return [torch.optim.Adam(parameters, lr=self.lr, betas=self.betas) for parameters in players]

    def on_fit_start(self) -> None:
        """Lay convolution weights out as the fast kernels read them, and keep the average out of training mode."""
        self.to(memory_format=torch.channels_last)
        self.average.eval()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Update the critic `critic_steps` times, the generator and its average once each.

        Raises:
            ValueError: the batch does not divide into `critic_steps` minibatches.
        """
        stream = step_stream(self.seed, self.global_step, self.global_rank)
        real = self._prepare(batch[0] if isinstance(batch, (tuple, list)) else batch, stream)
        if len(real) % self.critic_steps:
            raise ValueError(f"a batch of {len(real)} does not divide into critic_steps={self.critic_steps}")
        *others, last = real.chunk(self.critic_steps)
        for minibatch in others:
            with torch.no_grad():
                fake = self._fake(len(minibatch), stream)
            self._update_critic(minibatch, fake, stream)
        fake = self._fake(len(last), stream)
        critic_loss = self._update_critic(last, fake.detach(), stream)
        generator_loss = self._update_generator(last, fake, stream)
        self.average.update_parameters(self.generator)
        self.log_dict({"critic_loss": critic_loss, "generator_loss": generator_loss}, prog_bar=True)

    def averaged_generator(self, batches: int = 100, batch_size: int = 64) -> nn.Module:
        """Return a copy of the generator's moving average, in evaluation mode, with batch norms measured afresh.

        While training swings, averaged weights have smaller activations than any network whose running statistics
        were averaged; with those the pictures are pale.

        Args:
            batches: batches of samples which the statistics are taken over.
            batch_size: samples in each.
        """
        generator = deepcopy(self.average.module)
        # Latents of their own: those of the seed itself are what the generator is most often measured on.
        seed = subseed(self.seed, "batch norms")
        latents = self.prior.sample(batches * batch_size, seed=seed, device=self.device)
        reestimate_batch_norm(generator, lambda i: latents[i * batch_size : (i + 1) * batch_size], batches)
        return generator.eval()

    def settled_critic(self) -> nn.Module:
        """Return a copy of the critic, in evaluation mode, its spectral norms exact."""
        critic = copied(self.critic).eval()
        settle_spectral_norms(critic)
        return critic

    def judged(self, x: Tensor) -> Tensor:
        """Return the critic's outputs, in full precision whatever the networks run in: losses are computed in it."""
        return self.critic(x.contiguous(memory_format=torch.channels_last)).float()

    def _prepare(self, images: Tensor, stream: torch.Generator) -> Tensor:
        images = to_float(images) if images.dtype == torch.uint8 else images
        return flip(images, stream) if self.flips else images

    def _fake(self, n: int, stream: torch.Generator) -> Tensor:
        return self.generator(self.prior.sample(n, seed=stream, device=self.device)).float()

    def _update_critic(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> Tensor:
        optimizer = optimizer_at(self, 0)
        loss = self.critic_loss(real, fake, stream)
        with torch.autocast(self.device.type, enabled=False):
            penalties = self.penalties(real, fake, stream)
        optimizer.zero_grad()
        self.manual_backward(loss + penalties)
        # Stepped without Lightning's wrapper, which counts: the global step is to count iterations.
        optimizer.optimizer.step()
        # Autocast keeps its casts of the weights for the whole training step, and these have just moved.
        torch.clear_autocast_cache()
        return loss.detach()

    def _update_generator(self, real: Tensor, fake: Tensor, stream: torch.Generator) -> Tensor:
        optimizer = optimizer_at(self, 1)
        self.toggle_optimizer(optimizer)
        loss = self.generator_loss(real, fake, stream)
        self.untoggle_optimizer(optimizer)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return loss.detach()
