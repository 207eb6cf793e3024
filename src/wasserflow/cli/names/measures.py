"""Measure stored samples: points against a toy distribution, images against a reference set, strings against text."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from wasserflow.cli.names.arrays import read_samples, to_float_images
from wasserflow.cli.names.images import IMAGE_REFERENCES
from wasserflow.cli.names.texts import TextMeasure, is_text
from wasserflow.data.text import Alphabet
from wasserflow.data.toy import Gaussians25, SwissRoll
from wasserflow.models import zoo
from wasserflow.models.pretrained import Pretrained
from wasserflow.seeds import subseed

T = TypeVar("T")
POINTS: dict[str, Gaussians25 | SwissRoll] = {"25gaussians": Gaussians25(), "swissroll": SwissRoll()}
POINT_LABELS = {
    "high_quality_percent": "high quality, % ↑",
    "kde_score": "KDE score ↑",
    "wasserstein2": "exact W2 ↓",
}
_SCORED_POINTS = 5_000  # the count that the published KDE scores fit
_TRANSPORTED_POINTS = 2_000  # exact transport grows faster than the square


@runtime_checkable
class Measure(Protocol):
    """Gives the numbers of stored samples."""

    @property
    def labels(self) -> dict[str, str]:
        """Metric -> its name in a table."""

    def __call__(self, samples: np.ndarray) -> dict[str, Any]:
        """Measure samples as `samples.npz` holds them."""


@dataclass(frozen=True)
class PointMeasure:
    """High quality, KDE score and exact W2 of 2-D points.

    Args:
        reference: `25gaussians` or `swissroll`.
        seed: draws the points that samples are compared with.
    """

    reference: str
    seed: int = 0

    @property
    def labels(self) -> dict[str, str]:
        """Metric -> its name in a table."""
        return POINT_LABELS

    def __call__(self, samples: np.ndarray) -> dict[str, Any]:
        """Measure (n, 2) points."""
        from wasserflow.metrics.toy import high_quality_fraction, kde_score, wasserstein2

        data, points = POINTS[self.reference], torch.from_numpy(samples)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"the samples have shape {tuple(points.shape)}; {self.reference} needs (n, 2)")
        fresh = data.sample(_SCORED_POINTS, seed=subseed(self.seed, "reference points"))
        few = points[:_TRANSPORTED_POINTS]
        numbers: dict[str, Any] = {
            "kde_score": kde_score(points, fresh),
            "wasserstein2": wasserstein2(few, fresh[: len(few)]),
            "samples": len(points),
            "reference": f"{_SCORED_POINTS} fresh points of {self.reference}, W2 on {len(few)}, seed {self.seed}",
        }
        if isinstance(data, Gaussians25):
            fraction = high_quality_fraction(points, data.means, data.std)
            numbers["high_quality_percent"] = 100 * fraction
        return numbers


class ImageMeasure:
    """Fréchet distance and its kin of images, in the features of a shipped or saved classifier, or of Inception.

    With the reference images at hand all metrics are measured; without them the Fréchet distance against the moments
    that ship with the feature net.

    Args:
        reference: `cifar10` or `mnist` (their test images), `cifar10-validation` or `mnist-validation` (for choosing
            settings), or an .npz, .parquet or folder of images.
        features: a classifier's name or folder, or `inception`.
        seed: draws the subsets of the kernel distance.
        quick: measure against the shipped moments even where the images are at hand.
    """

    def __init__(self, reference: str, features: str, seed: int = 0, quick: bool = False) -> None:
        from wasserflow.data.images import to_float
        from wasserflow.metrics import inception_features, load_reference, reference_set

        self.seed = seed
        self._classifier: Any = None
        moments: Path | None = None
        if features == "inception":
            self._net: Any = inception_features()
        else:
            pretrained = zoo.load(features)
            self._classifier = classifier_of(pretrained)
            self._net = self._classifier.features
            moments = pretrained.folder / f"reference-{reference}.safetensors"
            moments = moments if moments.is_file() else None
        images = None if quick and moments else _images_or_none(reference, needed=moments is None)
        self._name, known = reference, IMAGE_REFERENCES.get(reference)
        self._shape = tuple(images.shape[1:]) if images is not None else known[0].shape if known else None
        if images is not None:
            batches = map(to_float, _shown(images.split(100), f"features of {reference}"))
            self._reference = reference_set(self._net, batches, reference, features)
        elif moments is not None:
            self._reference = load_reference(moments)

    @property
    def labels(self) -> dict[str, str]:
        """Metric -> its name in a table."""
        from wasserflow.metrics import IMAGE_METRIC_LABELS

        return IMAGE_METRIC_LABELS

    def __call__(self, samples: np.ndarray) -> dict[str, Any]:
        """Measure uint8 images (n, height, width, channels)."""
        from wasserflow.metrics import evaluate_images

        if self._shape is not None and samples.shape[1:] != (*self._shape[1:], self._shape[0]):
            channels, height, width = self._shape
            raise ValueError(
                f"the samples have shape {samples.shape} and the images of {self._name} are {height} x {width} with "
                f"{channels} channels; give samples (n, {height}, {width}, {channels}), or another reference"
            )
        parts = _shown(np.array_split(samples, max(1, len(samples) // 100)), "features of samples")
        batches = map(to_float_images, parts)
        return asdict(evaluate_images(batches, self._reference, self._net, self._classifier, seed=self.seed))


def _shown(batches: Sequence[T], doing: str) -> Iterable[T]:
    """Show a bar while somebody waits at a terminal, and leave nothing of it."""
    return tqdm(batches, doing, unit="batch", leave=False, disable=None)


def classifier_of(model: Pretrained) -> Any:
    """Find the network of a model that is a classifier, whose method `features` gives its last hidden layer.

    Raises:
        ValueError: it is none.
    """
    network = model.networks.get("model")
    if network is None or not hasattr(network, "features"):
        raise ValueError(
            f"{model.card.name} is no classifier; give one that `wasserflow train classifier` wrote, or a shipped one, "
            "such as cifar10-resnet"
        )
    return network


def measure_for(
    reference: str, features: str | None, seed: int = 0, quick: bool = False, alphabet: str = ""
) -> Measure:
    """Choose the measure of a data set.

    Raises:
        ValueError: images without a feature net, or anything else with one.
    """
    if features is not None and (reference in POINTS or is_text(reference)):
        kind = "points" if reference in POINTS else "text"
        raise ValueError(f"features is {features}, but {kind} of {reference} are measured as they are; leave it out")
    if reference in POINTS:
        return PointMeasure(reference, seed)
    if is_text(reference):
        return TextMeasure(reference, Alphabet(alphabet) if alphabet else None, needed=not quick)
    if features is None:
        raise ValueError(f"images of {reference} are measured in the features of a net; give --features")
    return ImageMeasure(reference, features, seed, quick)


def check_samples(samples: np.ndarray, reference: str) -> None:
    """Refuse samples of another kind than the reference's, before that is fetched from anywhere.

    Raises:
        ValueError: no points for points, no strings for text, or no uint8 images for images.
    """
    kind, fits = "uint8 images (n, height, width, 1 or 3)", samples.dtype == np.uint8 and samples.ndim == 4
    if reference in POINTS:
        kind, fits = "points (n, 2)", samples.dtype.kind == "f" and samples.shape[1:] == (2,)
    elif is_text(reference):
        kind, fits = "strings", samples.dtype.kind == "U"
    if not fits:
        raise ValueError(f"the samples are {samples.dtype} {samples.shape}; {reference} needs {kind}")


def reference_images(reference: str) -> Tensor:
    """The uint8 images (n, channels, height, width) that a name or a path stands for.

    Raises:
        ValueError: neither a known name nor a path of images.
    """
    from wasserflow.data.images import image_folder, image_parquet

    if reference in IMAGE_REFERENCES:
        named, split = IMAGE_REFERENCES[reference]
        return named.read(split).images
    path = Path(reference)
    if path.is_dir():
        return image_folder(path).images
    if path.suffix == ".parquet":
        return image_parquet(path).images
    if path.suffix == ".npz":
        arrays = read_samples(path)
        if "samples" not in arrays:
            raise ValueError(f"{path} holds {', '.join(arrays)}; a reference needs the array `samples`")
        return torch.from_numpy(arrays["samples"]).permute(0, 3, 1, 2)
    raise ValueError(
        f"no reference {reference!r}; give {', '.join([*POINTS, *IMAGE_REFERENCES, 'billion-words'])}, a folder of "
        "images, or a .parquet or .npz file"
    )


def _images_or_none(reference: str, needed: bool) -> Tensor | None:
    try:
        return reference_images(reference)
    except FileNotFoundError as error:
        if needed:
            raise
        warnings.warn(
            f"only the stored moments of {reference} are at hand, so what needs its images is left out (kernel "
            f"distance, precision, recall, density, coverage): {error}",
            stacklevel=2,
        )
        return None
