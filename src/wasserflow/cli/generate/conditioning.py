"""Which class each sample is to carry, and the classifier that leads it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wasserflow.checks import require_counts
from wasserflow.cli.names.judges import load_classifier
from wasserflow.data.images import to_float, to_uint8
from wasserflow.ratios import classifier_log_ratio, log_probability_of

LabelChoice = int | Sequence[int] | Literal["all"]
_GUIDANCE = 0.1  # as published


@dataclass(frozen=True, eq=False)
class Conditioning:
    """The classes asked for.

    Args:
        classifier: maps samples to logits (batch, classes).
        classes: how many it knows.
        turn: the classes that samples carry in turn.
        guidance: the weight of the classifier's log-ratio.
        guided_steps: how long it acts.
        attempts: how often a sample is drawn until the classifier is sure of its class.
        certainty: the probability of the class from which the classifier is sure.
    """

    classifier: nn.Module
    classes: int
    turn: tuple[int, ...]
    guidance: float
    guided_steps: int
    attempts: int
    certainty: float

    def labels(self, n: int) -> Int64[Tensor, " n"]:
        """The class of each of n samples."""
        return torch.tensor(self.turn).repeat(-(-n // len(self.turn)))[:n]

    def options(self, labels: Int64[Tensor, " batch"]) -> dict[str, Any]:
        """What `FlowGuidedRatio.transport` is to be told about a batch of samples with these labels."""
        condition = classifier_log_ratio(self.classifier, labels, self.classes)
        return {"condition": condition, "guidance": self.guidance, "guided_steps": self.guided_steps}

    @torch.no_grad()
    def missed(self, samples: Tensor, labels: Int64[Tensor, " batch"]) -> Int64[Tensor, " missed"]:
        """Which of (batch, *event) samples the classifier does not see their class in, as stored in bytes."""
        log_probability = log_probability_of(self.classifier, to_float(to_uint8(samples)), labels)
        return (log_probability.exp() < self.certainty).nonzero().flatten()


def conditioning(
    label: LabelChoice | None,
    classifier: str | None,
    guidance: float | None,
    guided_steps: int | None,
    attempts: int,
    certainty: float,
    flow_steps: int,
    example: Float[Tensor, "n *event"],
) -> Conditioning | None:
    """Read the options of a class-conditional run; None where none are given.

    Args:
        label: a class, several in turn, or all in turn.
        classifier: a shipped model, or a folder.
        guidance: the weight of the classifier's log-ratio; the published one if None.
        guided_steps: how long it acts; the K steps of training if None.
        attempts: how often a sample is drawn at most.
        certainty: the probability of the class that ends it.
        flow_steps: K.
        example: (n, *event) samples of the kind that the classifier is to be shown.

    Raises:
        ValueError: one of label and classifier without the other, a class that the classifier does not know, a
            classifier of other samples, a guidance that is negative, guided_steps or attempts below 1, or a certainty
            outside [0, 1).
    """
    if label is None and classifier is None:
        return None
    if label is None or classifier is None:
        raise ValueError(
            f"label is {label} and classifier is {classifier}; give both, such as --classifier mnist-robust, or neither"
        )
    guidance = _GUIDANCE if guidance is None else guidance
    if not 0 <= guidance < float("inf"):
        raise ValueError(f"guidance is {guidance}; give a number of 0 or more")
    if not 0 <= certainty < 1:
        raise ValueError(f"certainty is {certainty}; give a probability below 1")
    guided_steps = flow_steps if guided_steps is None else guided_steps
    require_counts(guided_steps=guided_steps, attempts=attempts)
    network, classes = load_classifier(classifier, "classifier", example)
    how = (guidance, guided_steps, attempts, certainty)
    if label == "all":
        return Conditioning(network, classes, tuple(range(classes)), *how)
    turn = (label,) if isinstance(label, int) else tuple(int(one) for one in label)
    if not turn or min(turn) < 0 or max(turn) >= classes:
        raise ValueError(f"label is {label}; {classifier} knows the classes 0 to {classes - 1}: give those, or all")
    return Conditioning(network, classes, turn, *how)
