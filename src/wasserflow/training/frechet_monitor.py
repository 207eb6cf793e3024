"""How good a flow-guided ratio's images are while it trains: a number, a picture, and the curve so far."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from wasserflow.checks import require_counts
from wasserflow.data.images import to_float, to_uint8
from wasserflow.flow import FlowDiverged
from wasserflow.metrics import FeatureMoments, Reference, extract_features, frechet_distance
from wasserflow.metrics.features import FeatureNet
from wasserflow.reports import image_grid, save_curves
from wasserflow.training.divergence_guard import TrainingDiverged
from wasserflow.training.fdrl import FlowGuidedRatio

_SHOWN = 64


class FrechetMonitor(Callback):
    """Measures the Fréchet distance of samples every so often, and leaves a picture of them.

    The samples are of the moving average and always of the same seeds. Every one has a stream of its own, so the
    training sees the same random numbers as without the measurement, and ends with the same weights. The distances are
    logged as `frechet_distance` and kept in checkpoints; `curve.png` shows them all.

    Args:
        feature_net: images (batch, channels, height, width) -> (batch, features), in evaluation mode.
        reference: real images in the eyes of the same net; validation images, since choices are made on the curve.
        out: the run's folder, where `samples/<step>.png` and `curve.png` go.
        every: training steps between two measurements.
        samples: how many are drawn each time. A distance from fewer than some 2,000 is biased upwards: compare only
            values of as many.
        extra_steps: steps of their flow after the K of training.
        seed: seeds the samples.

    Raises:
        ValueError: every below 1, or samples below 2.
    """

    def __init__(
        self,
        feature_net: FeatureNet,
        reference: Reference,
        out: Path,
        *,
        every: int = 1_000,
        samples: int = 500,
        extra_steps: int = 20,
        seed: int = 0,
    ) -> None:
        require_counts(every=every)
        require_counts(2, samples=samples)
        require_counts(0, extra_steps=extra_steps)
        self.feature_net, self.reference, self.out = feature_net, reference, out
        self.every, self.samples, self.extra_steps, self.seed = every, samples, extra_steps, seed
        self.curve: dict[int, float] = {}

    def state_dict(self) -> dict[str, Any]:
        """The distances so far, for checkpoints."""
        return {"curve": dict(self.curve)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the curve."""
        self.curve = dict(state_dict["curve"])

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: object) -> None:
        """Measure when the time has come.

        Raises:
            TrainingDiverged: the samples left the finite numbers.
        """
        step = trainer.global_step
        if step % self.every or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, FlowGuidedRatio)
        try:
            samples = pl_module.generate(self.samples, self.extra_steps, self.seed)
        except FlowDiverged as error:
            raise TrainingDiverged(f"the samples that measure the training at step {step} diverged: {error}") from error
        self.curve[step] = self._distance(to_uint8(samples))
        for logger in trainer.loggers:
            logger.log_metrics({"frechet_distance": self.curve[step]}, step=step)
        (self.out / "samples").mkdir(parents=True, exist_ok=True)
        image_grid(samples[:_SHOWN]).save(self.out / "samples" / f"{step}.png")
        self.save_curve()

    def save_curve(self) -> None:
        """Write `curve.png`, the distance against training steps."""
        name, seen_by = f"{self.samples} samples", f"in the features of {self.reference.feature_net}"
        curves = {name: {step: [distance] for step, distance in self.curve.items()}}
        title = f"against {self.reference.name}, {seen_by}"
        save_curves(self.out / "curve.png", curves, "Fréchet distance ↓", title, "training step", logarithmic=True)

    def _distance(self, images: torch.Tensor) -> float:
        # The feature net is where it has seen the reference, which need not be where the training is.
        images = images.to(self.reference.moments.total.device)
        features = extract_features(self.feature_net, map(to_float, images.split(100)))
        with warnings.catch_warnings():
            # Of the bias of few samples the arguments tell; the values of one curve are of as many.
            warnings.filterwarnings("ignore", message="a Fréchet distance from n = ")
            return frechet_distance(FeatureMoments.of(features), self.reference.moments)
