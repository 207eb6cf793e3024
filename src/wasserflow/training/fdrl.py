"""Flow-guided density ratio learning: generate by learning the ratio that drives the flow, along the flow."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Generic, TypeVar

import lightning
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from wasserflow.checks import require_counts, require_particles, require_sets
from wasserflow.divergences import Pearson
from wasserflow.flow import FlowDiverged, Watch, flow
from wasserflow.integrators import EulerMaruyama
from wasserflow.modes import evaluating
from wasserflow.potentials import LearnedRatio
from wasserflow.ratios import BregmanLoss, LogRatio, least_squares, log_ratio_of
from wasserflow.seeds import Seed, sample_seeds
from wasserflow.spaces import Source
from wasserflow.training.augment import noisy
from wasserflow.training.averaging import moving_average
from wasserflow.training.batches import step_stream
from wasserflow.training.divergence_guard import DivergenceGuard, TrainingDiverged
from wasserflow.training.learning_rate import falling_in_steps
from wasserflow.training.modes import train_what_learns
from wasserflow.training.ratio_objective import ratio_objective
from wasserflow.training.ratio_parts import require_parts
from wasserflow.training.settings import require_adam, require_not_negative, require_positive
from wasserflow.training.staged_flow import staged_flow

D = TypeVar("D")
Particles = Float[Tensor, "batch *event"]


class FlowGuidedRatio(lightning.LightningModule, Generic[D]):
    """A network trained on the ratio r = q / p of particles' density to the data's, while it moves the particles.

    Each training step draws x₀ from the source, moves it K steps with the network as it is,

        x <- x - h ∇f'(r(x)) + ν ξ,

    and lowers a Bregman loss between the outcome and data once. So the particles come nearer as the network learns,
    and it never has to tell apart what is far apart, where a ratio cannot be learnt. Samples come of the same flow with
    the network's moving average, a few steps longer. The inner loop is `wf.flow`.

    Args:
        network: maps (batch, *event) to (batch,) or (batch, 1): r with `wf.least_squares`, log r with `wf.logistic` and
            `wf.kl`. It must not normalise by batch.
        source: where particles start, for a translation `wf.spaces.Samples` of one domain; a fitted Gaussian is saved
            with the model. None where the model only moves samples given to `transport`.
        divergence: which f; `wf.Pearson()` with `wf.least_squares`, any with `wf.logistic`.
        loss: `wf.least_squares`, `wf.logistic` or `wf.kl`.
        flow_steps: K; 0 trains the stale estimator, on the source itself.
        step_size: h, in units of x².
        noise_std: ν, the standard deviation of the noise of one step, whatever its size: T = ν² / 2h.
        lr: the learning rate that Adam starts with.
        ema: weight of the past in the network's moving average; 0 for none.
        data_noise: standard deviation of the noise added to data.
        flips: mirror half of the images of data, left to right.
        decay_at: shares of the training after which the learning rate falls to a tenth.
        betas: decay rates of Adam.
        longest_step: the longest move of a particle in one step of the flow, noise apart, in units of x; None, as
            published, for no limit. While particles are far from the data nothing bounds the ratio on them, and its
            slope grows until they fly past and do not come back; twice the way to the data, over K, ends that.
        r1: weight of a penalty on the network's slope at data, mean(‖∇‖²) / 2; 0, as published, for none.
        r2: the same at particles.
        seed: seeds all of it; a resumed run repeats an uninterrupted one if its batches do, as those of `wasserflow
            train fdrl` (a plain `DataLoader` begins its pass anew).

    Raises:
        TypeError: a divergence whose flow cannot be driven by what the loss makes the network output, or a source, loss
            or number of another kind.
        ValueError: a number out of range, or a network that normalises by batch.

    Source:
        Heng, Ansari & Soh (arXiv 2303.03714), algorithms 1 and 2; data noise as in the authors' code.

    Example:
        >>> import lightning, torch, wasserflow as wf
        >>> data = 0.1 * torch.randn(64, 2) + 1
        >>> network = wf.models.mlp_ratio(width=8)
        >>> model = wf.FlowGuidedRatio(network, source=wf.fit_gaussian(data), flow_steps=5, step_size=0.1)
        >>> trainer = lightning.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, accelerator="cpu",
        ...                             enable_progress_bar=False, enable_model_summary=False)
        >>> trainer.fit(model, torch.utils.data.DataLoader(data, batch_size=32))
        >>> model.generate(4, extra_steps=2, seed=0).shape
        torch.Size([4, 2])
    """

    def __init__(
        self,
        network: nn.Module,
        source: Source | None,
        divergence: D = Pearson(),  # type: ignore[assignment]  # noqa: B008
        loss: BregmanLoss[D] = least_squares,  # type: ignore[assignment]
        *,
        flow_steps: int = 100,
        step_size: float = 3.0,
        noise_std: float = 1e-2,
        lr: float = 1e-4,
        ema: float = 0.998,
        data_noise: float = 3e-2,
        flips: bool = False,
        decay_at: Sequence[float] = (0.8, 0.9),
        betas: tuple[float, float] = (0.9, 0.999),
        longest_step: float | None = None,
        r1: float = 0.0,
        r2: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_parts(network, source, loss)
        loss.accept(divergence)
        require_counts(0, flow_steps=flow_steps)
        require_not_negative(noise_std=noise_std, data_noise=data_noise, r1=r1, r2=r2)
        require_positive(step_size=step_size)
        require_adam(lr, betas)
        self.network, self.source = network, source
        self.average = moving_average(network, ema) if ema else None
        self.divergence, self.loss = divergence, loss
        self.flow_steps, self.step_size, self.noise_std = flow_steps, step_size, noise_std
        self.integrator = EulerMaruyama(step_size, noise_std**2 / (2 * step_size), longest_step)
        self.lr, self.ema, self.data_noise, self.flips = lr, ema, data_noise, flips
        self.decay_at, self.seed = tuple(decay_at), seed
        self.betas, self.longest_step, self.r1, self.r2 = betas, longest_step, r1, r2

    @property
    def sampler(self) -> nn.Module:
        """The network that samples: the moving average."""
        return self.network if self.average is None else self.average.module

    def forward(self, x: Particles) -> Float[Tensor, " batch"]:
        """Return the ratio r = q / p at (batch, *event) samples, by the moving average."""
        return self.loss.ratio(log_ratio_of(self.sampler, x))

    def potential(
        self, network: nn.Module | None = None, condition: LogRatio | None = None, guidance: float = 1.0
    ) -> LearnedRatio[D]:
        """The potential that the flow descends, f'(r), read from a network; from the moving average if None."""
        network = self.sampler if network is None else network
        return LearnedRatio(self.divergence, self.loss, network, condition, guidance)

    def configure_callbacks(self) -> list[lightning.pytorch.Callback]:
        """Bring the guard that stops a diverging run, unless the trainer has one."""
        given = any(isinstance(callback, DivergenceGuard) for callback in getattr(self.trainer, "callbacks", ()))
        return [] if given else [DivergenceGuard()]

    def configure_optimizers(self) -> Any:
        """Give the network an Adam whose rate falls in steps."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        adam = torch.optim.Adam(trained, self.lr, self.betas)
        rate = falling_in_steps(adam, self.decay_at, self.trainer.estimated_stepping_batches)
        return {"optimizer": adam, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """Move particles with the network as it is, and return the loss between them and data.

        Raises:
            TrainingDiverged: the particles left the finite numbers.
            ValueError: data that are NaN or infinite.
        """
        stream = step_stream(self.seed, self.global_step, self.global_rank)
        data = noisy(batch[0] if isinstance(batch, (tuple, list)) else batch, self.flips, self.data_noise, stream)
        require_sets(data=data)
        seeds = sample_seeds(stream, len(data))
        start = self.start(len(data), seeds, data.dtype)
        try:
            particles = self._moved(start, seeds)
        except FlowDiverged as error:
            raise TrainingDiverged(f"at training step {self.global_step}, {error}") from error
        objective, watched = ratio_objective(self.network, self.loss, data, particles, self.r1, self.r2)
        displacement = (particles - start).flatten(1).norm(dim=1).mean()
        self.log_dict({**watched, "displacement": displacement}, prog_bar=True)
        return {"loss": objective, "ratio_on_data": watched["ratio_on_data"], "particles": particles}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Let the moving average follow each step, before any checkpoint of it is written."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def on_train_start(self) -> None:
        """Put the network in train mode, and keep the average out of it."""
        train_what_learns(self, self.trainer.optimizers)
        if self.average is not None:
            self.average.eval()

    def on_fit_end(self) -> None:
        """Refuse to take an untrained network for a trained one.

        Raises:
            ValueError: there was nothing to train on.
        """
        if self.trainer.global_step == 0:
            raise ValueError("there was no batch to train on; give at least one sample, and no batch_size beyond them")

    def generate(
        self,
        n: int,
        extra_steps: int = 20,
        seed: Seed = 0,
        *,
        condition: LogRatio | None = None,
        guidance: float = 1.0,
        guided_steps: int | None = None,
        batch_size: int = 100,
        watch: Watch | None = None,
    ) -> Particles:
        """Draw samples: the source's, moved K + extra steps by the moving average.

        Args:
            n: how many.
            extra_steps: steps of refinement after the K of training; below 0 it stops before them.
            seed: an int, one seed a sample, or a `torch.Generator`; sample i depends on its own seed only.
            condition: maps (batch, *event) to (batch,) log-ratios log p' - log p of another law p' to the data's, such
                as `wf.classifier_log_ratio`; the flow then leads there.
            guidance: φ, the weight of the condition: log r - φ (log p' - log p) takes the place of log r.
            guided_steps: leave the condition out after so many steps; None for never, as published. Free steps at the
                end mend what a strong condition has done to the samples, and seldom change what they show.
            batch_size: particles at a time, on which no sample depends; a condition's labels, one a sample, follow.
            watch: called with each state of the first batch.

        Returns:
            (n, *event) samples, on the device of the model.

        Raises:
            FlowDiverged: the particles left the finite numbers.
            ValueError: n or batch_size below 1, a seed list of another length than n, or a model without a source.
        """
        if n < 1:
            raise ValueError(f"n is {n}; ask for at least 1 sample")
        seeds = sample_seeds(seed, n)
        options: Any = {"condition": condition, "guidance": guidance, "guided_steps": guided_steps}
        return self.transport(self.start(n, seeds), extra_steps, seeds, batch_size=batch_size, watch=watch, **options)

    def start(self, n: int, seed: Seed = 0, dtype: torch.dtype | None = None) -> Particles:
        """Draw what `generate` begins from: n particles (n, *event) of the source, of the model's device and dtype.

        Raises:
            ValueError: a model without a source.
        """
        if self.source is None:
            raise ValueError("this model has no source to begin from; give samples of its source domain to `transport`")
        dtype = dtype or next((p.dtype for p in self.sampler.parameters() if p.is_floating_point()), None)
        return self.source.sample(n, seed, device=self.device, dtype=dtype)

    def transport(
        self,
        x0: Particles,
        extra_steps: int = 20,
        seed: Seed = 0,
        *,
        condition: LogRatio | None = None,
        guidance: float = 1.0,
        guided_steps: int | None = None,
        batch_size: int = 100,
        watch: Watch | None = None,
    ) -> Particles:
        """Move given particles as `generate` moves those of the source: translate images, join two samples by a path.

        Args:
            x0: (n, *event) particles, on the device of the model; left as they are.
            extra_steps: steps of refinement after the K of training.
            seed: an int, one seed a sample, or a `torch.Generator`.
            condition: log p' - log p, as `generate` takes it.
            guidance: the weight of the condition.
            guided_steps: how long it acts.
            batch_size: particles at a time.
            watch: called with each state of the first batch.

        Returns:
            (n, *event) samples.

        Raises:
            FlowDiverged: the particles left the finite numbers.
            TypeError: particles that are not a floating-point tensor.
            ValueError: none, some that are NaN, batch_size below 1, or a seed list of another length than x0.
        """
        require_particles(x0)
        if self.flow_steps + extra_steps < 0:
            raise ValueError(f"extra_steps is {extra_steps}; there are only {self.flow_steps} steps to leave out")
        if guided_steps is not None and guided_steps < 0:
            raise ValueError(f"guided_steps is {guided_steps}; give 0 or more, or None for all steps")
        seeds, steps = sample_seeds(seed, len(x0)), self.flow_steps + extra_steps
        led = steps if guided_steps is None or condition is None else min(guided_steps, steps)
        guided, free = (self.potential(condition=condition, guidance=guidance), led), (self.potential(), steps - led)
        with evaluating(self):
            return staged_flow(x0, guided, free, self.integrator, seeds, batch_size, watch)

    def averaged_copy(self) -> FlowGuidedRatio[D]:
        """Return a copy that holds the moving average alone, as it is saved for sampling."""
        copy = deepcopy(self)
        copy.network, copy.average, copy.ema = deepcopy(self.sampler), None, 0.0
        return copy.eval()

    def _moved(self, x0: Tensor, seeds: Tensor) -> Tensor:
        """Move particles as a training step does, by the network as it is."""
        if not self.flow_steps:
            return x0
        # Weights stand still here, so normalised ones are computed once and not at every step. It is a switch of the
        # whole process, so not for `transport`, beside whose many steps other networks may be trained.
        with evaluating(self), parametrize.cached():
            return flow(x0, self.potential(self.network), self.integrator, self.flow_steps, seed=seeds).x
