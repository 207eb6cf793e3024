"""Train a generator and a critic against each other: the Wasserstein GAN with gradient penalty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from wasserflow.checks import require_counts
from wasserflow.data.toy import Gaussians25, SwissRoll
from wasserflow.models.mlp import mlp_critic, mlp_generator
from wasserflow.seeds import global_stream
from wasserflow.spaces import Normal, PriorSpace
from wasserflow.training.batches import IterationData, step_stream
from wasserflow.training.centring import centre
from wasserflow.training.optimizers import optimizer_at
from wasserflow.training.penalties import gradient_penalty
from wasserflow.training.run import check_run, fit_run
from wasserflow.training.settings import require_adam, require_not_negative


class WGANGP(lightning.LightningModule):
    """A generator and its critic, trained against each other by WGAN-GP.

    The critic lowers mean(critic(fake)) - mean(critic(real)) + penalty · gradient penalty, `critic_steps` times; then
    the generator lowers -mean(critic(fake)) once. One training step is one generator iteration, so a loader yields
    `critic_steps` minibatches in one: a tensor (critic_steps · batch, *event), or a tuple which starts with it.
    `trainer.global_step` counts these iterations.

    Args:
        generator: maps latents (batch, *latent) to samples (batch, *event).
        critic: maps samples (batch, *event) to (batch,) or (batch, 1), higher where more real.
        prior: the space which the latents are drawn from.
        penalty: weight of the gradient penalty.
        critic_steps: critic updates for each update of the generator.
        lr: learning rate of both Adam optimisers.
        betas: decay rates of both Adam optimisers.
        seed: seeds latents and penalty points; a resumed run repeats an uninterrupted one.

    Raises:
        ValueError: settings out of range.

    Source:
        Gulrajani et al. (2017), algorithm 1; settings of Ansari et al. (2021), appendix D.1.

    Example:
        >>> import lightning, torch
        >>> from wasserflow.models.mlp import mlp_critic, mlp_generator
        >>> from wasserflow.spaces import Normal
        >>> from wasserflow.training.wgan_gp import WGANGP
        >>> gan = WGANGP(mlp_generator(width=8), mlp_critic(width=8), Normal(2))
        >>> trainer = lightning.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, accelerator="cpu",
        ...                             enable_progress_bar=False, enable_model_summary=False)
        >>> trainer.fit(gan, torch.utils.data.DataLoader(torch.randn(100, 2), batch_size=50))
        >>> trainer.global_step
        2
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        prior: PriorSpace,
        penalty: float = 10.0,
        critic_steps: int = 5,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.5, 0.9),
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_counts(critic_steps=critic_steps)
        require_not_negative(penalty=penalty)
        require_adam(lr, betas)
        self.generator = generator
        self.critic = critic
        self.prior = prior
        self.penalty = penalty
        self.critic_steps = critic_steps
        self.lr = lr
        self.betas = betas
        self.seed = seed
        self.automatic_optimization = False

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Give the critic and the generator an Adam each."""
        return [torch.optim.Adam(m.parameters(), lr=self.lr, betas=self.betas) for m in (self.critic, self.generator)]

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Update the critic `critic_steps` times and the generator once."""
        real = batch[0] if isinstance(batch, (tuple, list)) else batch
        if len(real) % self.critic_steps:
            raise ValueError(
                f"a batch of {len(real)} does not divide into critic_steps={self.critic_steps} minibatches"
            )
        stream = step_stream(self.seed, self.global_step, self.global_rank)
        for minibatch in real.chunk(self.critic_steps):
            distance, penalty = self._update_critic(minibatch, stream)
        self._update_generator(len(minibatch), stream)
        self.log_dict({"distance": distance, "penalty": penalty}, prog_bar=True)

    def _fake(self, n: int, stream: torch.Generator) -> Tensor:
        # In half precision too, samples are what the data are: full.
        return self.generator(self.prior.sample(n, seed=stream, device=self.device)).float()

    def _update_critic(self, real: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        optimizer = optimizer_at(self, 0)
        with torch.no_grad():
            fake = self._fake(len(real), stream)
        fake_score, real_score = self.critic(torch.cat([fake, real])).flatten().float().chunk(2)
        distance = real_score.mean() - fake_score.mean()
        penalty = gradient_penalty(self.critic, real, fake, stream)
        optimizer.zero_grad()
        self.manual_backward(self.penalty * penalty - distance)
        # Stepped without Lightning's wrapper, which counts: the global step is to count iterations.
        optimizer.optimizer.step()
        # Autocast keeps its copies of the weights until the whole training step ends.
        torch.clear_autocast_cache()
        return distance.detach(), penalty.detach()

    def _update_generator(self, n: int, stream: torch.Generator) -> None:
        optimizer = optimizer_at(self, 1)
        self.toggle_optimizer(optimizer)
        loss = -self.critic(self._fake(n, stream)).float().mean()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.untoggle_optimizer(optimizer)


def train_wgan_gp(
    data: Gaussians25 | SwissRoll,
    out: Path,
    *,
    iterations: int = 10_000,
    points: int = 100_000,
    batch_size: int = 256,
    width: int = 512,
    layers: int = 3,
    penalty: float = 0.1,
    prior: PriorSpace | None = None,
    seed: int = 0,
    **run: Any,
) -> WGANGP:
    """Train a ReLU generator and critic on a 2-D distribution and save both.

    The critic is centred at the end: its mean score over as many real as generated points is 0.

    Leaves in `out`: `generator.safetensors` and `critic.safetensors` (plain state dicts of `mlp_generator` and
    `mlp_critic`), `last.ckpt` (to resume from) and `log/version_0/metrics.csv`.

    Args:
        data: the distribution; its training set is `points` samples, drawn once.
        out: a folder which does not exist yet, unless `resume` is given.
        iterations: generator updates; with `resume`, counted from the very start.
        points: size of the training set.
        batch_size: samples in a minibatch.
        width: units of a hidden layer.
        layers: number of hidden layers.
        penalty: weight of the gradient penalty. Ansari et al. give 10, the toy experiments of Gulrajani et al. 0.1:
            in the runs tried here with 10, 5 critic steps and a width of 256 the two swung to and fro, and the samples
            ended in one place.
        prior: where latents of size 2 come from; None is the published N(0, I).
        seed: seeds the training set, the weights, the minibatches and the latents.
        run: options of `fit_run`.

    Returns:
        The trained pair, as `.generator` and `.critic`, in eval mode.

    Raises:
        FileExistsError: `out` exists and `resume` is not given.
        FileNotFoundError: `resume` is given and there is no checkpoint.
        ValueError: settings out of range, or a checkpoint of another network.

    Source:
        Ansari et al. (2021), appendix D.1.
    """
    check_run(out, run)
    require_counts(iterations=iterations, points=points, batch_size=batch_size)
    # Loaders and trainers draw from torch's global stream, which is the caller's.
    with global_stream(seed):
        networks = mlp_generator(width=width, layers=layers), mlp_critic(width=width, layers=layers)
        gan = WGANGP(*networks, prior=Normal(2) if prior is None else prior, penalty=penalty, seed=seed)
        batches = IterationData(
            data.sample(points, seed=seed), batch_size=gan.critic_steps * batch_size, iterations=iterations, seed=seed
        )
        fit_run(gan, batches, out, **run)
    real = batches.data.tensors[0]
    centre(gan.critic, real, gan.generator, gan.prior.sample(len(real), seed=gan.seed, device=real.device))
    for name, module in (("generator", gan.generator), ("critic", gan.critic)):
        save_file(module.state_dict(), out / f"{name}.safetensors")
    return gan.eval()
