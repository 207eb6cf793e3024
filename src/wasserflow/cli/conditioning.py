"""Which class each sample is to carry, and the classifier that leads it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wasserflow.cli.judges import load_classifier
from wasserflow.ratios import classifier_log_ratio

LabelChoice = int | Sequence[int] | Literal["all"]


@dataclass(frozen=True, eq=False)
class Conditioning:
    """The classes asked for.

    Args:
        classifier: maps samples to logits (batch, classes).
        classes: how many it knows.
        turn: the classes that samples carry in turn.
        guidance: the weight of the classifier's log-ratio.
    """

    classifier: nn.Module
    classes: int
    turn: tuple[int, ...]
    guidance: float

    def labels(self, n: int) -> Int64[Tensor, " n"]:
        """The class of each of n samples."""
        return torch.tensor(self.turn).repeat(-(-n // len(self.turn)))[:n]

    def options(self, labels: Int64[Tensor, " batch"]) -> dict[str, Any]:
        """What `FlowGuidedRatio.transport` is to be told about a batch of samples with these labels."""
        condition = classifier_log_ratio(self.classifier, labels, self.classes)
        return {"condition": condition, "guidance": self.guidance}


def conditioning(
    label: LabelChoice | None, classifier: str | None, guidance: float, example: Float[Tensor, "n *event"]
) -> Conditioning | None:
    """Read the options of a class-conditional run; None where none are given.

    Args:
        label: a class, several in turn, or all in turn.
        classifier: a shipped model, or a folder.
        guidance: the weight of the classifier's log-ratio.
        example: samples of the kind that the classifier is to be shown.

    Raises:
        ValueError: one of label and classifier without the other, a class that the classifier does not know, a
            classifier of other samples, or a guidance that is not above 0.
    """
    if label is None and classifier is None:
        return None
    if label is None or classifier is None:
        raise ValueError(f"label is {label} and classifier is {classifier}; give both, or neither")
    if not 0 < guidance < float("inf"):
        raise ValueError(f"guidance is {guidance}; give a number above 0")
    network, classes = load_classifier(classifier, "classifier", example)
    if label == "all":
        return Conditioning(network, classes, tuple(range(classes)), guidance)
    turn = (label,) if isinstance(label, int) else tuple(int(one) for one in label)
    if not turn or min(turn) < 0 or max(turn) >= classes:
        raise ValueError(f"label is {label}; {classifier} knows the classes 0 to {classes - 1}: give those, or all")
    return Conditioning(network, classes, turn, guidance)
