"""A classifier's output, read as the log-ratio of one class's density to that of all data."""

from __future__ import annotations

import math
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.freezing import adopt
from wasserflow.labels import Label, labels_of, require_label


def log_probability_of(
    classifier: Callable[[Tensor], Tensor], x: Float[Tensor, "batch *event"], label: Label, classes: int | None = None
) -> Float[Tensor, " batch"]:
    """Evaluate log p(y|x) of a class y, the log-softmax of a classifier's logits.

    Args:
        classifier: maps samples to logits (batch, classes).
        x: (batch, *event) samples.
        label: the class, or (batch,) one a sample.
        classes: how many classes there must be; any number if None.

    Returns:
        (batch,) log-probabilities in nats, at most 0.

    Raises:
        TypeError: labels that are not integers.
        ValueError: logits of another shape, a class that they do not have, or another number of labels.

    Example:
        >>> import torch
        >>> from wasserflow.ratios import log_probability_of
        >>> log_probability_of(torch.nn.Identity(), torch.tensor([[0.0, 0.0]]), label=1)
        tensor([-0.6931])
    """
    logits = classifier(x.clone())  # networks may begin in place
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(x):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"the classifier returned {got} for {len(x)} samples; it must return ({len(x)}, classes)")
    if classes is not None and logits.shape[1] != classes:
        raise ValueError(f"classes is {classes} but the classifier knows {logits.shape[1]}; give that number")
    require_label(label, logits.shape[1])
    labels = labels_of(label, x)
    return logits.log_softmax(dim=1).gather(1, labels[:, None]).squeeze(1)


class ClassLogRatio(nn.Module):
    """log p(x|y) - log p(x) of a class y, what `wf.classifier_log_ratio` makes.

    Args:
        classifier: maps samples to logits (batch, classes).
        label: the class, or (batch,) one a sample.
        classes: how many there are.

    Example:
        >>> import torch
        >>> from wasserflow.ratios import ClassLogRatio
        >>> ClassLogRatio(torch.nn.Identity(), label=1, classes=2)(torch.tensor([[0.0, 0.0]]))
        tensor([0.])
    """

    def __init__(self, classifier: Callable[[Tensor], Tensor], label: Label, classes: int) -> None:
        super().__init__()
        self.classifier, self.label, self.classes = classifier, label, classes
        adopt(self, classifier)

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the log-ratio of each sample."""
        return math.log(self.classes) + log_probability_of(self.classifier, x, self.label, self.classes)


def classifier_log_ratio(classifier: Callable[[Tensor], Tensor], label: Label, classes: int = 10) -> ClassLogRatio:
    """Read a classifier as a log-ratio between densities: that of one class, and that of all data.

        log p(x|y) - log p(x) = log(N p(y|x)),    where all N classes are equally likely.

    Higher means more of the class. `wf.FlowGuidedRatio.generate(..., condition=...)` composes it with the ratio that an
    unconditional model has learnt; as a critic, `wf.refine` follows it.

    Args:
        classifier: maps samples to logits (batch, classes); in eval mode. One trained against adversarial changes has
            gradients that look like the class; an ordinary one has not.
        label: the class, or (batch,) one a sample.
        classes: N, how many the classifier has been trained to tell apart.

    Returns:
        A module (batch, *event) -> (batch,) nats, at most log N.

    Raises:
        TypeError: a label that is not an integer.
        ValueError: fewer than 2 classes, or a label that is not among them; when called, logits of another shape, or
            another number of labels.

    Source: FDRL (arXiv 2303.03714), eqs. 25-27.

    Example:
        >>> import torch, wasserflow as wf
        >>> more_of_the_second = wf.classifier_log_ratio(torch.nn.Identity(), label=1, classes=2)
        >>> more_of_the_second(torch.tensor([[0.0, 0.0], [-100.0, 0.0]]))
        tensor([0.0000, 0.6931])
    """
    if classes < 2:
        raise ValueError(f"classes is {classes}; give at least 2, as many as the classifier knows")
    require_label(label, classes)
    return ClassLogRatio(classifier, label, classes)
