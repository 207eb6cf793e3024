"""Guidance by a classifier: how probable a class is, as a log-likelihood."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn


class ClassLogProbability(nn.Module):
    """log p(y|x) of a class y, the log-softmax of a classifier's logits.

    A log-likelihood, higher is better: `wf.methods.gmi` takes it as `log_likelihood`, and `wf.refine` as the critic,
    since log p(x|y) - log p(x) = log p(y|x) up to a constant.

    Args:
        classifier: maps samples to logits (batch, classes); in eval mode.
        label: the class, or (batch,) one a sample.

    Raises:
        ValueError: when called, logits of another shape, a class that they do not have, or another number of labels.

    Source:
        Dhariwal and Nichol, Diffusion models beat GANs on image synthesis, NeurIPS 2021, section 4.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.potentials.ClassLogProbability(torch.nn.Identity(), label=1)(torch.tensor([[0.0, 0.0]]))
        tensor([-0.6931])
    """

    def __init__(self, classifier: nn.Module, label: int | Int64[Tensor, " batch"]) -> None:
        super().__init__()
        self.classifier, self.label = classifier, label
        self.training = classifier.training

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the log-probability of the class for each sample."""
        logits = self.classifier(x)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(x):
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(f"the classifier returned {got} for {len(x)} samples; it must return ({len(x)}, classes)")
        labels = x.new_full((len(x),), self.label).long() if isinstance(self.label, int) else self.label.to(x.device)
        if labels.shape != x.shape[:1]:
            raise ValueError(f"there are {len(labels)} labels for {len(x)} samples; give one, or one a sample")
        if int(labels.min()) < 0 or int(labels.max()) >= logits.shape[1]:
            raise ValueError(f"label is {self.label}; the classifier knows 0 to {logits.shape[1] - 1}")
        return logits.log_softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
