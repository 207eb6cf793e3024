"""Guidance by a classifier: how probable a class is, as a log-likelihood."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.freezing import adopt
from wasserflow.labels import Label, require_label
from wasserflow.ratios.classifier import log_probability_of


class ClassLogProbability(nn.Module):
    """log p(y|x) of a class y, the log-softmax of a classifier's logits.

    A log-likelihood, higher is better: `wf.methods.gmi` takes it as `log_likelihood`, and `wf.refine` as the critic,
    since log p(x|y) - log p(x) = log p(y|x) up to a constant.

    Args:
        classifier: maps samples to logits (batch, classes); in eval mode.
        label: the class, or (batch,) one a sample.

    Raises:
        TypeError: a label that is not an integer.
        ValueError: a label below 0; when called, logits of another shape, a class that they do not have, or another
            number of labels.

    Source:
        Dhariwal and Nichol, Diffusion models beat GANs on image synthesis, NeurIPS 2021, section 4.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.potentials.ClassLogProbability(torch.nn.Identity(), label=1)(torch.tensor([[0.0, 0.0]]))
        tensor([-0.6931])
    """

    def __init__(self, classifier: Callable[[Tensor], Tensor], label: Label) -> None:
        super().__init__()
        require_label(label)
        self.classifier, self.label = classifier, label
        adopt(self, classifier)

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the log-probability of the class for each sample."""
        return log_probability_of(self.classifier, x, self.label)
