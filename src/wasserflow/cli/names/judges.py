"""Classifiers by name: those that steer samples, and those that judge what came of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wasserflow.cli.names.arrays import to_float_images
from wasserflow.metrics import extract_features
from wasserflow.models import zoo


def load_classifier(name: str, role: str, example: Float[Tensor, "n *event"]) -> tuple[nn.Module, int]:
    """Load a classifier of such samples as the example, and count its classes.

    Args:
        name: a shipped model, or a folder.
        role: the option that named it, for the refusal.
        example: (n, channels, height, width) images of the kind that it is to be shown.

    Returns:
        The network in eval mode, and the number of its classes.

    Raises:
        ValueError: no such model, one that is no classifier, or one of other images.
    """
    network: Any = zoo.load(name).networks.get("model")
    if not hasattr(network, "features"):
        raise ValueError(f"{role} is {name}, which is no classifier; give one that `wasserflow train classifier` wrote")
    try:
        return network, extract_features(network, example.clamp(-1, 1)).shape[1]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{role} is {name}, but {error}; give a classifier of the same kind of images") from error


class Judge:
    """A classifier that had no part in making the images that it judges.

    Args:
        name: a shipped model, or a folder.
        example: (n, channels, height, width) images of the kind that it is to judge.

    Raises:
        ValueError: as `load_classifier`.
    """

    def __init__(self, name: str, example: Float[Tensor, "n *event"]) -> None:
        self.name = name
        self.network: Any
        self.network, self.classes = load_classifier(name, "judge", example)

    def percent(self, stored: np.ndarray, labels: Int64[Tensor, " n"]) -> float:
        """The share of stored images that it puts in the class of their label, in percent."""
        return 100 * float((self.seen(stored) == labels).double().mean())

    def seen(self, stored: np.ndarray) -> Int64[Tensor, " n"]:
        """The class that it puts each stored image in."""
        return extract_features(self.network, to_float_images(stored)).argmax(dim=1)

    @torch.no_grad()
    def features(self, images: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n features"]:
        """Its last hidden layer."""
        return extract_features(self.network.features, images)


def judged(stored: np.ndarray, labels: np.ndarray, judge: Judge) -> dict[str, Any]:
    """Count the samples that carry the class that was asked for, in percent, of all and of each class."""
    asked = torch.from_numpy(labels)
    right = (judge.seen(stored) == asked).double()
    each = {str(label): 100 * float(right[asked == label].mean()) for label in asked.unique().tolist()}
    return {"asked_percent": 100 * float(right.mean()), "of_each_class": each}
