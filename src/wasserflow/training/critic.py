"""Fit a critic to a generator that stands still, and say how good a log-ratio it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from jaxtyping import Float, UInt8
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torchmetrics.functional.classification import binary_calibration_error

from wasserflow.checks import require_counts
from wasserflow.data.images import to_float
from wasserflow.freezing import copied
from wasserflow.reports import save_reliability
from wasserflow.spaces import PriorSpace
from wasserflow.training.adversarial_losses import logistic_critic
from wasserflow.training.augment import flip
from wasserflow.training.averaging import moving_average
from wasserflow.training.batches import IterationData, step_stream
from wasserflow.training.penalties import weighted_slopes
from wasserflow.training.reliability import logits_of, reliability_curve
from wasserflow.training.run import check_run, fit_run
from wasserflow.training.settings import require_adam, require_not_negative
from wasserflow.training.spectral import settle_spectral_norms


@dataclass(frozen=True)
class CriticAssessment:
    """How well a critic's logit estimates log p_data - log p_model, on samples it was not fitted to.

    Args:
        auc: probability that a real sample has a higher logit than a generated one; 0.5 is blind, 1 separates.
        calibration_error: mean gap between sigmoid(logit) and the share of real samples, over 15 bins, 0 to 1.
        real_logit: mean over the real samples, nats.
        fake_logit: mean over the generated samples, nats.
    """

    auc: float
    calibration_error: float
    real_logit: float
    fake_logit: float


@torch.no_grad()
def assess_critic(
    critic: nn.Module,
    real: Float[Tensor, "n *event"],
    fake: Float[Tensor, "m *event"],
    batch_size: int = 500,
) -> CriticAssessment:
    """Measure a critic on held-out real samples and fresh generated ones.

    Args:
        critic: in evaluation mode; maps (batch, *event) to (batch,) or (batch, 1).
        real: held-out real samples.
        fake: generated samples, as many as the real ones if the calibration error is to mean anything.
        batch_size: samples in a batch; it changes nothing but the memory.

    Returns:
        AUC, calibration error and mean logits.

    Source:
        Guo et al., On calibration of modern neural networks, ICML 2017, eq. 3 (the calibration error).

    Example:
        >>> import torch
        >>> from wasserflow.training.critic import assess_critic
        >>> assess_critic(torch.nn.Flatten(0), torch.ones(4, 1), -torch.ones(4, 1)).auc
        1.0
    """
    logits = [logits_of(critic, samples, batch_size) for samples in (real, fake)]
    is_real = torch.cat([torch.ones(len(real)), torch.zeros(len(fake))]).long()
    both = torch.cat(logits)
    return CriticAssessment(
        auc=float(roc_auc_score(is_real.numpy(), both.numpy())),
        calibration_error=float(binary_calibration_error(both.sigmoid(), is_real, n_bins=15, norm="l1")),
        real_logit=float(logits[0].mean()),
        fake_logit=float(logits[1].mean()),
    )


class CriticFit(lightning.LightningModule):
    """A critic which learns to tell real images from those of a generator that stands still.

    It lowers the logistic loss, whose minimum is the log-ratio log p_data - log p_model, plus
    `r1` · mean(‖∇critic(real)‖²)/2 + `r2` · mean(‖∇critic(fake)‖²)/2. Its moving average is `.average.module`.

    Args:
        critic: maps images to logits (batch,); its parameters that require a gradient are trained in place.
        generator: maps latents to images on [-1, 1]; in evaluation mode, never changed.
        prior: the space which latents are drawn from.
        lr: learning rate of Adam.
        betas: decay rates of Adam.
        decay: decay of the critic's moving average, per iteration.
        flips: mirror half of the real images.
        noise_std: standard deviation of normal noise on everything the critic sees, in units of the range [-1, 1].
        r1: weight of the slope penalty at real images.
        r2: weight of the slope penalty at generated images.
        penalty_every: the penalties are computed at every so many iterations and weigh as many times more.
        seed: seeds latents, flips and noise; a resumed run repeats an uninterrupted one.

    Raises:
        ValueError: the generator is in training mode, no parameter of the critic requires a gradient, or settings out
            of range.
    """

    def __init__(
        self,
        critic: nn.Module,
        generator: nn.Module,
        prior: PriorSpace,
        *,
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        decay: float = 0.999,
        flips: bool = True,
        noise_std: float = 0.0,
        r1: float = 0.0,
        r2: float = 0.0,
        penalty_every: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if generator.training:
            raise ValueError("the generator is in training mode, where it depends on its batch; call .eval() first")
        if not any(parameter.requires_grad for parameter in critic.parameters()):
            raise ValueError("no parameter of the critic requires a gradient; call .requires_grad_(True) on some")
        require_adam(lr, betas)
        require_not_negative(noise_std=noise_std, r1=r1, r2=r2)
        require_counts(penalty_every=penalty_every)
        self.critic, self.generator, self.prior = critic, generator, prior
        self.average = moving_average(critic, decay)
        self.lr, self.betas = lr, betas
        self.flips, self.noise_std = flips, noise_std
        self.r1, self.r2, self.penalty_every = r1, r2, penalty_every
        self.seed = seed

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Give the critic an Adam."""
        return torch.optim.Adam([p for p in self.critic.parameters() if p.requires_grad], lr=self.lr, betas=self.betas)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss on a batch of real images and as many generated ones."""
        stream = step_stream(self.seed, self.global_step, self.global_rank)
        real = to_float(batch[0])
        real = flip(real, stream) if self.flips else real
        with torch.no_grad():
            fake = self.generator(self.prior.sample(len(real), seed=stream, device=self.device)).float()
        both = torch.cat([real, fake])
        if self.noise_std:
            both = both + self.noise_std * torch.randn(both.shape, generator=stream).to(both)
        logits = self.critic(both.contiguous(memory_format=torch.channels_last)).float()
        real_logits, fake_logits = logits.flatten().chunk(2)
        loss = logistic_critic(real_logits, fake_logits)
        self.log_dict({"loss": loss, "real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}, prog_bar=True)
        return loss + self._penalty(*both.chunk(2))

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        if self.global_step % self.penalty_every:
            return real.new_zeros(())
        return self.penalty_every * weighted_slopes(self.critic, (self.r1, real), (self.r2, fake))

    def optimizer_step(self, *args: Any, **options: Any) -> None:
        """Update the critic and let the average follow, before any checkpoint can be written."""
        super().optimizer_step(*args, **options)
        self.average.update_parameters(self.critic)


def refit_critic(
    critic: nn.Module,
    generator: nn.Module,
    prior: PriorSpace,
    images: UInt8[Tensor, "n channels height width"],
    validation: UInt8[Tensor, "m channels height width"],
    out: str | Path,
    *,
    iterations: int = 3000,
    batch_size: int = 64,
    lr: float = 2e-4,
    decay: float | None = None,
    flips: bool = True,
    noise_std: float = 0.0,
    r1: float = 0.0,
    r2: float = 0.0,
    penalty_every: int = 4,
    seed: int = 0,
    **run: Any,
) -> nn.Module:
    """Fit a copy of a critic to a generator that stands still.

    Leaves in `out`: `last.ckpt` (to resume from), `log/` and `assessment.json`, the critic's `CriticAssessment`
    before and after on the validation images and as many fresh samples, and `reliability.png` of the same.

    Args:
        critic: where to start from: the generator's own critic, or a new one of any kind; not changed. Of the copy,
            what requires a gradient is trained.
        generator: maps latents to images on [-1, 1]; in evaluation mode; not changed.
        prior: the space which latents are drawn from.
        images: real images to learn from.
        validation: real images to measure on.
        out: a folder which does not exist yet, unless `resume` is given.
        iterations: updates of the critic in the whole run.
        batch_size: real images in a batch; as many are generated.
        lr: learning rate of Adam.
        decay: decay of the critic's moving average, which is what is returned. It remembers some 1 / (1 - decay)
            iterations; None for the last third of the run, and 0.999 from 3,000 iterations on.
        flips: mirror half of the real images.
        noise_std: noise on what the critic sees; see `CriticFit`.
        r1: weight of the slope penalty at real images.
        r2: weight of the slope penalty at generated images.
        penalty_every: iterations between two penalties; see `CriticFit`.
        seed: seeds batches, latents, flips and noise.
        run: options of `fit_run`.

    Returns:
        The averaged critic, in evaluation mode, its spectral norms settled.

    Raises:
        TypeError: images that are not a tensor of bytes.
        ValueError: images that are not (n, channels, height, width), the generator is in training mode, no parameter of
            the critic requires a gradient, or settings out of range.
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
    """
    out = Path(out)
    check_run(out, run)
    require_counts(iterations=iterations)
    for name, sets in (("images", images), ("validation", validation)):
        _require_bytes(name, sets)
    frozen = copied(generator).requires_grad_(False)
    fit = CriticFit(
        copied(critic),
        frozen,
        prior,
        lr=lr,
        decay=max(0.0, min(0.999, 1 - 3 / iterations)) if decay is None else decay,
        flips=flips,
        noise_std=noise_std,
        r1=r1,
        r2=r2,
        penalty_every=penalty_every,
        seed=seed,
    )
    data = IterationData(images, batch_size=batch_size, iterations=iterations, seed=seed)
    fit_run(fit, data, out, **run)
    refitted = fit.average.module.cpu()
    settle_spectral_norms(refitted)
    real, fake = to_float(validation), _generate(frozen.cpu(), prior, len(validation), seed)
    before = copied(critic).cpu().eval()
    both = {"before": before, "after": refitted}
    report = {name: asdict(assess_critic(c, real, fake)) for name, c in both.items()}
    save_reliability(out / "reliability.png", {name: reliability_curve(c, real, fake) for name, c in both.items()})
    (out / "assessment.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return refitted


def _require_bytes(name: str, images: object) -> None:
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(
            f"{name} is {kind}; give a uint8 tensor (n, channels, height, width), such as wf.data.cifar10().images, or "
            "wf.data.to_uint8(images) of floats on [-1, 1]"
        )
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"{name} has shape {tuple(images.shape)}; it must be (n, 1 or 3, height, width): "
            "images.permute(0, 3, 1, 2) brings the channels forward"
        )


@torch.no_grad()
def _generate(generator: nn.Module, prior: PriorSpace, n: int, seed: int) -> Tensor:
    # Another stream than the training's, which is keyed by the step and the rank.
    latents = prior.sample(n, seed=step_stream(seed))
    return torch.cat([generator(part) for part in latents.split(500)])
