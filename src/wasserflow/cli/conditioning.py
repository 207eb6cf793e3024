"""Which class each sample is to carry, and the classifier that leads it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from wasserflow.cli.judges import load_classifier
from wasserflow.ratios import LeastSquares, classifier_log_ratio

if TYPE_CHECKING:
    from wasserflow.training.fdrl import FlowGuidedRatio

LabelChoice = int | Sequence[int] | Literal["all"]
# Chosen on MNIST models (100 samples of a ratio, 60 of a logarithm), led by mnist-robust and judged by mnist-resnet:
# about the least with 9 of 10 in their class (of a logarithm 6 gave 88 % and 12 gave 92 %). The published 0.1, for
# another model and classifier, left 4 of 5 in another class. A ratio varies less than its logarithm.
_ON_RATIO, _ON_LOG_RATIO = 5.0, 8.0


@dataclass(frozen=True, eq=False)
class Conditioning:
    """The classes asked for.

    Args:
        classifier: maps samples to logits (batch, classes).
        classes: how many it knows.
        turn: the classes that samples carry in turn.
        guidance: the weight of the classifier's log-ratio.
        guided_steps: how long it acts.
    """

    classifier: nn.Module
    classes: int
    turn: tuple[int, ...]
    guidance: float
    guided_steps: int

    def labels(self, n: int) -> Int64[Tensor, " n"]:
        """The class of each of n samples."""
        return torch.tensor(self.turn).repeat(-(-n // len(self.turn)))[:n]

    def options(self, labels: Int64[Tensor, " batch"]) -> dict[str, Any]:
        """What `FlowGuidedRatio.transport` is to be told about a batch of samples with these labels."""
        condition = classifier_log_ratio(self.classifier, labels, self.classes)
        return {"condition": condition, "guidance": self.guidance, "guided_steps": self.guided_steps}


def conditioning(
    label: LabelChoice | None,
    classifier: str | None,
    guidance: float | None,
    guided_steps: int | None,
    ratio: FlowGuidedRatio[Any],
) -> Conditioning | None:
    """Read the options of a class-conditional run; None where none are given.

    Args:
        label: a class, several in turn, or all in turn.
        classifier: a shipped model, or a folder.
        guidance: the weight of the classifier's log-ratio; by what the model outputs if None.
        guided_steps: how long it acts; the K steps of training if None.
        ratio: the model.

    Raises:
        ValueError: one of label and classifier without the other, a class that the classifier does not know, a
            classifier of other samples, a guidance that is not above 0, or guided_steps below 1.
    """
    if label is None and classifier is None:
        return None
    if label is None or classifier is None:
        raise ValueError(f"label is {label} and classifier is {classifier}; give both, or neither")
    if guidance is None:
        guidance = _ON_RATIO if isinstance(ratio.loss, LeastSquares) else _ON_LOG_RATIO
    if not 0 < guidance < float("inf"):
        raise ValueError(f"guidance is {guidance}; give a number above 0")
    guided_steps = ratio.flow_steps if guided_steps is None else guided_steps
    if guided_steps < 1:
        raise ValueError(f"guided_steps is {guided_steps}; give at least 1")
    network, classes = load_classifier(classifier, "classifier", ratio.start(1))
    if label == "all":
        return Conditioning(network, classes, tuple(range(classes)), guidance, guided_steps)
    turn = (label,) if isinstance(label, int) else tuple(int(one) for one in label)
    if not turn or min(turn) < 0 or max(turn) >= classes:
        raise ValueError(f"label is {label}; {classifier} knows the classes 0 to {classes - 1}: give those, or all")
    return Conditioning(network, classes, turn, guidance, guided_steps)
