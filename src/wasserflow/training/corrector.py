"""Fit the density-ratio corrector between two generators."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from wasserflow.checks import require_counts, require_momentum, require_sets
from wasserflow.freezing import copied, gradients_on, require_same_kind
from wasserflow.ratios import log_ratio_of
from wasserflow.reports import save_reliability
from wasserflow.seeds import sample_seeds
from wasserflow.training.adversarial_losses import logistic_critic
from wasserflow.training.batches import IterationData, step_stream
from wasserflow.training.critic import assess_critic
from wasserflow.training.drawing import Drawing, Law, drawing
from wasserflow.training.reliability import logits_of, reliability_curve
from wasserflow.training.run import check_run, fit_run, run_without_a_folder
from wasserflow.training.spectral import settle_spectral_norms

_SEPARABLE = 0.99
_ENOUGH = 50  # held-out samples of which an AUC says something


class CorrectorFit(lightning.LightningModule):
    """A network which learns to tell samples of phi from samples of theta by the logistic loss.

    At the loss's minimum it is log p_phi - log p_theta.

    Args:
        corrector: maps samples to (batch,) or (batch, 1); trained in place.
        phi: the law that is to be told as real.
        theta: the other.
        lr: learning rate of SGD.
        momentum: of SGD.
        batch_size: samples of each in a step.
        seed: seeds the batches; a resumed run repeats an uninterrupted one.
    """

    def __init__(
        self,
        corrector: nn.Module,
        phi: Drawing,
        theta: Drawing,
        *,
        lr: float,
        momentum: float,
        batch_size: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.corrector, self.laws = corrector, (phi, theta)
        self.lr, self.momentum, self.batch_size, self.seed = lr, momentum, batch_size, seed

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Give what requires a gradient an SGD with momentum."""
        learning = [parameter for parameter in self.corrector.parameters() if parameter.requires_grad]
        return torch.optim.SGD(learning, lr=self.lr, momentum=self.momentum)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss on a batch of each law.

        Raises:
            ValueError: the loss is not finite.
        """
        seeds = (step_stream(self.seed, self.global_step, number).initial_seed() for number in (0, 1))
        both = [law(self.batch_size, seed) for law, seed in zip(self.laws, seeds, strict=True)]
        phi, theta = log_ratio_of(self.corrector, torch.cat(both).to(self.device)).chunk(2)
        loss = logistic_critic(phi, theta)
        if not loss.isfinite():
            raise ValueError(f"the loss is {float(loss)} at step {self.global_step}; take an lr below {self.lr:g}")
        self.log_dict({"loss": loss, "phi_logit": phi.mean(), "theta_logit": theta.mean()}, prog_bar=True)
        return loss


def fit_corrector(
    critic: nn.Module,
    samples_phi: Law,
    samples_theta: Law,
    steps: int = 10_000,
    lr: float = 1e-4,
    momentum: float = 0.9,
    batch_size: int = 64,
    seed: int | torch.Generator = 0,
) -> nn.Module:
    """Learn log p_phi - log p_theta between two generators, beginning at the critic of phi.

    A copy of the critic is fine-tuned by SGD on mean(softplus(-d(x_phi))) + mean(softplus(d(x_theta))). With it
    `wf.telescope(critic, corrector)` judges theta, which has no critic of its own. On samples held out (a tenth of a
    tensor or data set, 1000 fresh ones of a function) an AUC above 0.99 is warned of; measure others with
    `wasserflow.training.critic.assess_critic`.

    Args:
        critic: log p_data - log p_phi, maps (batch, *event) to (batch,) or (batch, 1); not changed.
        samples_phi: (n, *event) samples of phi, a `torch.utils.data.Dataset` of them (items may begin with the sample),
            or a function (n, seed) -> samples, such as `wf.spaces.Generated(generator, prior).sample`. uint8 images are
            mapped to [-1, 1].
        samples_theta: the same of theta.
        steps: updates, at least 1.
        lr: learning rate of SGD.
        momentum: of SGD.
        batch_size: samples of each generator in a step.
        seed: an int or a `torch.Generator`, which is drawn from once; chooses the batches.

    Returns:
        The corrector, a module of the critic's kind in eval mode, on the critic's device. Its `assessment` (AUC,
        calibration error) says how well it tells held-out samples of phi from those of theta.

    Raises:
        TypeError: a critic that is not a module, or samples of another kind.
        ValueError: samples that are empty, NaN or unlike each other, settings out of range, a critic without parameters
            that require a gradient, or a loss that is not finite.

    Source: DGflow (arXiv 2012.00780), section 3.2 and appendix D.

    Example:
        >>> import torch, wasserflow as wf
        >>> phi, theta = wf.spaces.Normal(2).sample(1000, seed=1), wf.spaces.Normal(2).sample(1000, seed=2) - 1
        >>> corrector = wf.fit_corrector(torch.nn.Linear(2, 1), phi, theta, steps=50, lr=0.1)
        >>> bool(corrector(phi).mean() > corrector(theta).mean())
        True
    """
    require_counts(steps=steps)
    device = next((parameter.device for parameter in _module(critic).parameters()), torch.device("cpu"))
    accelerator = {"cuda": "gpu"}.get(device.type, device.type)
    with run_without_a_folder() as out, gradients_on():
        return train_corrector(
            critic,
            samples_phi,
            samples_theta,
            out,
            iterations=steps,
            lr=lr,
            momentum=momentum,
            batch_size=batch_size,
            accelerator=accelerator,
            checkpoint_every=max(steps, 1),
            seed=int(sample_seeds(seed, 1)) if isinstance(seed, torch.Generator) else seed,
            progress=False,
        ).to(device)


def train_corrector(
    critic: nn.Module,
    samples_phi: Law,
    samples_theta: Law,
    out: Path,
    *,
    iterations: int = 10_000,
    lr: float = 1e-4,
    momentum: float = 0.9,
    batch_size: int = 64,
    seed: int = 0,
    **run: Any,
) -> nn.Module:
    """Do what `fit_corrector` does, and leave the run in a folder.

    Leaves in `out`: `last.ckpt` (to resume from), `log/`, `assessment.json`, how well the critic as it was and the
    corrector tell held-out samples of phi from those of theta, and `reliability.png`.

    Args:
        critic: see `fit_corrector`.
        samples_phi: see `fit_corrector`.
        samples_theta: see `fit_corrector`.
        out: a folder which does not exist yet, unless `resume` is given.
        iterations: updates in the whole run.
        lr: learning rate of SGD.
        momentum: of SGD.
        batch_size: samples of each generator in a step.
        seed: seeds the batches and what is held out.
        run: options of `fit_run`.

    Returns:
        The corrector, in eval mode, its spectral norms settled.

    Raises:
        TypeError: see `fit_corrector`.
        ValueError: see `fit_corrector`.
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
    """
    check_run(out, run)
    # The module draws its own batches: this data set only counts.
    clock = IterationData(torch.zeros(1), batch_size=1, iterations=iterations)
    _require_settings(batch_size, lr, momentum)
    laws = drawing("samples_phi", samples_phi, seed, 0), drawing("samples_theta", samples_theta, seed, 1)
    before = _module(critic)
    held_out = _held_out(before, laws)
    fit = CorrectorFit(copied(critic), *laws, lr=lr, momentum=momentum, batch_size=batch_size, seed=seed)
    with gradients_on():
        fit_run(fit, clock, out, **run)
    corrector = fit.corrector.cpu().eval()
    corrector.zero_grad(set_to_none=True)
    settle_spectral_norms(corrector)
    if not all(logits_of(corrector, samples).isfinite().all() for samples in held_out):
        raise ValueError(f"the corrector is not finite on held-out samples; take an lr below {lr:g}")
    _report(out, before.cpu(), corrector, held_out)
    return corrector


def _module(critic: object) -> nn.Module:
    """A copy of the critic to measure, in eval mode."""
    if not isinstance(critic, nn.Module):
        raise TypeError(f"the critic is a {type(critic).__name__}; give an nn.Module, a copy of which can be trained")
    if not any(parameter.requires_grad for parameter in critic.parameters()):
        raise ValueError("no parameter of the critic requires a gradient; call .requires_grad_(True) on some")
    return copied(critic).eval()


def _require_settings(batch_size: int, lr: float, momentum: float) -> None:
    require_counts(batch_size=batch_size)
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr is {lr}; it must be positive and finite")
    require_momentum(momentum)


def _held_out(critic: nn.Module, laws: tuple[Drawing, Drawing]) -> tuple[Tensor, Tensor]:
    """As many of each, so that the calibration error means something."""
    phi, theta = (law.held_out for law in laws)
    require_sets(samples_phi=phi, samples_theta=theta)
    count = min(len(phi), len(theta))
    probe = phi[:1].to(next(critic.parameters()).device)
    require_same_kind(probe, [critic])
    try:
        log_ratio_of(critic, probe)
    except RuntimeError as error:
        raise ValueError(f"the critic cannot judge samples of shape {tuple(probe.shape[1:])}: {error}") from error
    return phi[:count].cpu(), theta[:count].cpu()


def _report(out: Path, before: nn.Module, after: nn.Module, held_out: tuple[Tensor, Tensor]) -> None:
    assessments = {name: assess_critic(network, *held_out) for name, network in (("before", before), ("after", after))}
    report = {name: asdict(assessment) for name, assessment in assessments.items()}
    (out / "assessment.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    after.assessment = assessments["after"]  # type: ignore[assignment]
    error = assessments["after"].calibration_error
    name = f"corrector, calibration error {error:.3f}"
    save_reliability(out / "reliability.png", {name: reliability_curve(after, *held_out)})
    auc = assessments["after"].auc
    if auc > _SEPARABLE and len(held_out[0]) >= _ENOUGH:
        warnings.warn(
            f"the corrector tells the two generators apart with an AUC of {auc:.4f} on held-out samples: they are "
            "trivially separable, and a ratio between such laws is unreliable; take a critic of a generator closer to "
            "this one",
            stacklevel=4,
        )
