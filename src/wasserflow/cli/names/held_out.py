"""The Fréchet distance to held-out images, as tables compare it."""

from __future__ import annotations

from typing import Literal

from jaxtyping import UInt8
from torch import Tensor

from wasserflow.cli.names.images import ImagesName, images_of
from wasserflow.cli.names.measures import classifier_of
from wasserflow.data.images import to_float
from wasserflow.metrics import FeatureMoments, extract_features, frechet_distance, load_reference
from wasserflow.models.pretrained import Pretrained

_BATCH = 100


class HeldOutDistance:
    """The Fréchet distance to held-out images in the features of a classifier.

    Args:
        classifier: whose features are compared.
        data: the images, by their name.
        split: `test`, or `validation` for choosing settings.
    """

    def __init__(self, classifier: Pretrained, data: ImagesName, split: Literal["test", "validation"]) -> None:
        self.features = classifier_of(classifier).features
        stored = classifier.folder / f"reference-{data}.safetensors"
        if split == "test" and stored.is_file():
            self.reference = load_reference(stored).moments
        else:
            batches = map(to_float, images_of(data, split).images.split(_BATCH))
            self.reference = FeatureMoments.of(extract_features(self.features, batches))

    def __call__(self, images: UInt8[Tensor, "n channels height width"]) -> float:
        """Measure images."""
        features = extract_features(self.features, map(to_float, images.split(_BATCH)))
        return frechet_distance(FeatureMoments.of(features), self.reference)
