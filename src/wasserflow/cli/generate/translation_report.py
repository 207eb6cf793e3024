"""The numbers of a translation: how much of the target it reached, and how much of the source it kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from wasserflow.cli.names.arrays import to_float_images
from wasserflow.cli.names.judges import Judge
from wasserflow.data.images import to_float
from wasserflow.metrics import FeatureMoments, frechet_distance, kept
from wasserflow.reports import before_after_table, format_table

_KEPT = {
    "feature_cosine": "cosine of the judge's features",
    "pixel_correlation": "correlation of pixels",
    "colour_correlation": "correlation of mean colours",
}

Metrics = dict[str, dict[str, Any]]


def kept_of_source(before: np.ndarray, after: np.ndarray, judge: Judge | None = None) -> Metrics:
    """Measure the likeness of images to their own origins (`after`), and to those of others (`unrelated`).

    Args:
        before: (n, height, width, channels) uint8 images.
        after: the same translated.
        judge: whose features are compared; none are if None.
    """
    first, last = to_float_images(before), to_float_images(after)
    features = None if judge is None else (judge.features(first), judge.features(last))
    others = None if features is None else (features[0].roll(1, dims=0), features[1])
    return {
        "after": asdict(kept(first, last, features)),
        "unrelated": asdict(kept(first.roll(1, dims=0), last, others)),
    }


@dataclass(frozen=True, eq=False)
class TranslationReport:
    """Measures a translation by a classifier that had no part in it.

    Args:
        judge: the classifier.
        real: images of the target class that were not trained on.
        target: the target class.
    """

    judge: Judge
    real: UInt8[Tensor, "n channels height width"]
    target: int

    def __call__(self, before: np.ndarray, after: np.ndarray) -> Metrics:
        """Measure at least 2 uint8 images (n, height, width, channels): of `before` and `after` the share that the
        judge puts in the target class and the Fréchet distance to the real images, and what was kept."""
        metrics = {"before": self._reached(before)} | kept_of_source(before, after, self.judge)
        metrics["after"] |= self._reached(after)
        return metrics

    def _reached(self, images: np.ndarray) -> dict[str, Any]:
        reference = FeatureMoments.of(self.judge.features(to_float(self.real)))
        moments = FeatureMoments.of(self.judge.features(to_float_images(images)))
        percent = self.judge.percent(images, torch.full((len(images),), self.target))
        return {"target_percent": percent, "frechet": frechet_distance(moments, reference)}


def printed(metrics: Metrics, target: int | None) -> str:
    """Lay the numbers out as tables."""
    labels = {"target_percent": f"seen as class {target}, % ↑", "frechet": f"Fréchet distance to class {target} ↓"}
    rows = [[label, *(metrics[side][name] for side in ("after", "unrelated"))] for name, label in _KEPT.items()]
    tables = [format_table(["kept of the source", "its own", "another"], [row for row in rows if row[1] is not None])]
    if "before" in metrics:
        tables.insert(0, before_after_table(metrics["before"], metrics["after"], labels))
    return "\n\n".join(tables)
