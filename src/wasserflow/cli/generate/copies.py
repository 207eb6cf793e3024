"""`wasserflow generate --neighbours`: whether samples are copies of training images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from wasserflow.cli.names.arrays import to_float_images
from wasserflow.cli.names.images import IMAGE_SETS, images_of
from wasserflow.cli.names.judges import load_classifier
from wasserflow.cli.names.measures import classifier_of
from wasserflow.data.images import to_float
from wasserflow.metrics import Nearest, extract_features, feature_batches, nearest_neighbours
from wasserflow.models import zoo
from wasserflow.reports import RunRecord, format_table, image_grid, side_by_side

if TYPE_CHECKING:
    from wasserflow.training.fdrl import FlowGuidedRatio

_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Copies:
    """The nearest training images of samples, and of held-out images, which are no copies.

    Args:
        samples: (n, channels, height, width) generated images.
        training: (m, channels, height, width) training images.
        found: the neighbours by space, `pixels` and `features`, of the samples and then of as many held-out images.
    """

    samples: UInt8[Tensor, "n channels height width"]
    training: UInt8[Tensor, "m channels height width"]
    found: dict[str, Nearest]

    def metrics(self) -> dict[str, Any]:
        """The distances to the nearest training image, as a record keeps them."""
        return {name: self._distances(nearest) for name, nearest in self.found.items()}

    def table(self) -> str:
        """The same in words: samples that were copies would be nearer than held-out images are."""
        rows = []
        for name, numbers in self.metrics().items():
            ours, held_out = numbers["samples"], numbers["held_out"]
            rows.append([name, ours["median"], held_out["median"], ours["least"], held_out["least"]])
        header = ["nearest training image, in", "samples, median", "held-out", "samples, least", "held-out, least"]
        return format_table(header, rows)

    def save(self, path: Path) -> None:
        """Draw the first samples, a row each: the sample, its neighbours in pixels, those in features."""
        shown = min(_SHOWN, len(self.samples))
        grids, captions = [image_grid(self.samples[:shown], columns=1)], ["sample"]
        for name, nearest in self.found.items():
            indices = nearest.indices[:shown]
            grids.append(image_grid(self.training[indices.flatten()], columns=indices.shape[1]))
            captions.append(f"nearest in {name}" if indices.shape[1] > 1 else name)
        side_by_side(grids, captions).save(path)

    def _distances(self, nearest: Nearest) -> dict[str, Any]:
        ours, held_out = nearest.distances.split(len(self.samples))
        shown = nearest.distances[: min(_SHOWN, len(self.samples))]
        return {"samples": _summary(ours), "held_out": _summary(held_out), "shown": shown}


def find_copies(samples: np.ndarray, data: str, features: str, k: int) -> Copies:
    """Look for the neighbours of samples among the training images of a data set.

    Args:
        samples: uint8 (n, height, width, channels), as stored.
        data: what the model was trained on.
        features: the classifier in whose last hidden layer images are compared too.
        k: how many neighbours.
    """
    training, held_out = (images_of(data, split).images for split in ("train", "test"))
    generated = torch.from_numpy(samples).permute(0, 3, 1, 2)
    both = torch.cat([to_float_images(samples), to_float(held_out[: len(samples)])])
    net = classifier_of(zoo.load(features)).features
    seen = feature_batches(net, map(to_float, training.split(200)))
    return Copies(
        generated,
        training,
        {
            "pixels": nearest_neighbours(both, map(to_float, training.split(500)), k),
            "features": nearest_neighbours(extract_features(net, both), seen, k),
        },
    )


@dataclass(frozen=True)
class Neighbours:
    """The nearest training images of samples.

    Args:
        count: of each sample.
        data: where they are looked for.
        features: and in whose features.
    """

    count: int
    data: str
    features: str

    def save(self, path: Path, samples: np.ndarray, record: RunRecord) -> None:
        """Draw them and record how near they are."""
        copies = find_copies(samples, self.data, self.features, self.count)
        copies.save(path)
        record.update(neighbours=copies.metrics())
        print(copies.table())


def read_neighbours(ratio: FlowGuidedRatio[Any], data: str, count: int, features: str | None) -> Neighbours | None:
    """Read the options `neighbours` and `features`; None for 0.

    Raises:
        ValueError: a count below 0, a model of other data than mnist and cifar10, or features that cannot see its
            samples or that nothing asks for.
    """
    if count < 0:
        raise ValueError(f"neighbours is {count}; give 0 or more")
    if not count and features is None:
        return None
    if not count:
        raise ValueError(f"features is {features}, but no neighbours are asked for; give --neighbours 5, say")
    if data not in IMAGE_SETS:
        raise ValueError(
            f"neighbours is {count}, but there are no training images of {data}; give a model of mnist, say"
        )
    features = features or IMAGE_SETS[data].judge
    load_classifier(features, "features", ratio.start(1))
    return Neighbours(count, data, features)


def _summary(distances: Float64[Tensor, "n k"]) -> dict[str, float]:
    nearest = distances[:, 0]
    low, median = nearest.quantile(nearest.new_tensor([0.05, 0.5])).tolist()
    return {"median": median, "5 %": low, "least": float(nearest.min())}
