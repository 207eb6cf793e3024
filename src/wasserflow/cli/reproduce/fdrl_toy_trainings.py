"""The toy experiments of FDRL: across a chasm between two Gaussians, and to the swiss roll by four pairings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from jaxtyping import Float
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from wasserflow.cli.train.fdrl import PAIRINGS, PairingName, defaults_for
from wasserflow.data.toy import SwissRoll
from wasserflow.flow import FlowDiverged
from wasserflow.metrics.toy import wasserstein2
from wasserflow.models import mlp_ratio
from wasserflow.seeds import global_stream, subseed
from wasserflow.spaces import Gaussian, Normal
from wasserflow.training.batches import IterationData
from wasserflow.training.divergence_guard import DivergenceGuard
from wasserflow.training.fdrl import FlowGuidedRatio
from wasserflow.training.run import fit_run

Cloud = Float[Tensor, "n 2"]
VARIANCE = 0.1
FAR, NEAR = 6.0, 1.0
SHOWN_STEPS = (10, 40, 300)
W2_POINTS = 1_000
_FLOW_STEPS = 20
# What differs from `wasserflow train fdrl --data swissroll`. The ratio grows on particles that have not crossed yet,
# until they fly past the data: the longest step and the penalties on slopes hold them, as far again as the way is long.
# Particles still move as they arrive, which leaves the mean behind by the slope times (variance + r1 + r2): the step
# size is large, so that the slope is small. Less momentum than usual, because the mean sways about its goal.
ACROSS_THE_CHASM: dict[str, Any] = {
    "flow_steps": _FLOW_STEPS,
    "step_size": 1.0,
    "lr": 5e-4,
    "longest_step": 2 * FAR * 2**0.5 / _FLOW_STEPS,
    "r1": 0.1,
    "r2": 0.1,
    "betas": (0.5, 0.999),
    "decay_at": (0.5, 0.75),
}
_TRAINING_POINTS = 20_000
_STALE_STEPS = 400  # of the flow, as in the paper's figure 2
_STALE: dict[str, Any] = {"flow_steps": 0, "lr": 5e-4, "decay_at": (0.5, 0.75)}
# The flow of logD comes to rest where particles look real, so enough steps are all it needs.
STALE: dict[PairingName, dict[str, Any]] = {
    "lsif-pearson": {**_STALE, "step_size": 0.5},
    "lr-logd": {**_STALE, "step_size": 0.02},
}


@dataclass(frozen=True, eq=False)
class Crossing:
    """A flow between two Gaussians: the mean of the particles while the network learns, and where they end.

    Args:
        means: (steps, 2) mean of the particles at each training step.
        clouds: particles at some training steps, by step.
        samples: (n, 2) samples at the end; None where the flow left the finite numbers.
        target: the mean of the data in both coordinates.
    """

    means: Float[Tensor, "steps 2"]
    clouds: dict[int, Tensor]
    samples: Cloud | None
    target: float

    @property
    def miss(self) -> float:
        """The distance from the samples' mean to the data's, in the larger of both coordinates."""
        if self.samples is None:
            return float("inf")
        return float((self.samples.mean(dim=0) - self.target).abs().max())


class _Watch(Callback):
    """Keeps the mean of the particles at every training step, and all of them at some."""

    def __init__(self) -> None:
        self.means: list[Tensor] = []
        self.clouds: dict[int, Tensor] = {}

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, *_: object
    ) -> None:
        self.means.append(outputs["particles"].mean(dim=0).cpu())
        if trainer.global_step in SHOWN_STEPS:
            self.clouds[trainer.global_step] = outputs["particles"].cpu()


def cross(
    out: Path, pairing: PairingName, guided: bool, target: float, iterations: int, seed: int, progress: bool
) -> Crossing:
    """Learn the ratio of N(0, 0.1 I) to N(target, 0.1 I), along the flow or without it, and flow.

    Args:
        out: a folder for the log and the checkpoint.
        pairing: loss and divergence.
        guided: learn on the particles that the flow has moved; else on the start alone, the stale estimator.
        target: the mean of the data in both coordinates.
        iterations: training steps.
        seed: seeds all of it.
        progress: show a progress bar.
    """
    start = Gaussian(2)
    start.factor.mul_(VARIANCE**0.5)
    data = target + VARIANCE**0.5 * Normal(2).sample(_TRAINING_POINTS, subseed(seed, "data"))
    options = toy_options(pairing) | (ACROSS_THE_CHASM if guided else STALE[pairing])
    # The stale estimator comes apart, which is what is shown.
    guard = DivergenceGuard(loss_limit=float("inf"), patience=iterations + 1)
    watch = _Watch()
    model = _trained(out, start, data, pairing, options, iterations, seed, progress, [guard, watch])
    try:
        extra = 0 if guided else _STALE_STEPS
        samples = model.generate(W2_POINTS, extra_steps=extra, seed=seed, batch_size=W2_POINTS)
    except FlowDiverged:
        samples = None
    return Crossing(torch.stack(watch.means), watch.clouds, samples, target)


def learn_swiss_roll(out: Path, pairing: PairingName, iterations: int, seed: int, progress: bool) -> Cloud:
    """Train one pairing on the swiss roll from N(0, I) and draw its samples.

    Args:
        out: a folder for the log and the checkpoint.
        pairing: loss and divergence.
        iterations: training steps.
        seed: seeds all of it.
        progress: show a progress bar.

    Returns:
        `W2_POINTS` samples.
    """
    data = SwissRoll().sample(_TRAINING_POINTS, seed=seed)
    options = toy_options(pairing)
    model = _trained(out, Normal(2), data, pairing, options, iterations, seed, progress)
    return model.generate(W2_POINTS, extra_steps=model.flow_steps // 5, seed=seed, batch_size=W2_POINTS)


def distance_to_fresh_data(samples: Cloud, seed: int) -> float:
    """Exact W2 between samples and as many points of the swiss roll that no training has seen."""
    return wasserstein2(samples, SwissRoll().sample(len(samples), seed=1_000 + seed))


def toy_options(pairing: PairingName) -> dict[str, Any]:
    """The options of `wasserflow train fdrl --data swissroll`."""
    options = defaults_for("swissroll", pairing)
    return {name: value for name, value in options.items() if name != "iterations"}


def _trained(
    out: Path,
    start: Any,
    data: Tensor,
    pairing: PairingName,
    options: dict[str, Any],
    iterations: int,
    seed: int,
    progress: bool,
    callbacks: Sequence[Callback] = (),
) -> FlowGuidedRatio[Any]:
    divergence, loss = PAIRINGS[pairing]
    with global_stream(seed):
        network = mlp_ratio()
    of_model = {name: value for name, value in options.items() if name != "batch_size"}
    model = FlowGuidedRatio(network, start, divergence, loss, **of_model, seed=seed)
    batches = IterationData(data, batch_size=options["batch_size"], iterations=iterations, seed=seed)
    fit_run(model, batches, out, callbacks, checkpoint_every=iterations, accelerator="cpu", progress=progress)
    return model.eval()
