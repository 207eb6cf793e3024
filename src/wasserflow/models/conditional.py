"""Class-conditional networks with the label bound, so that they map latents, or samples, alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.freezing import adopt
from wasserflow.labels import Label, labels_of, require_label


class BoundLabel(nn.Module):
    """x -> network(x, y), what `wf.models.bind_label` makes.

    Args:
        network: a function of (batch, *event) inputs and labels.
        label: the class, or (batch,) one a sample.
        argument: the name of the labels' argument; None if it is the second.
        classes: how many there are, for networks that take one-hot labels; None for those that take numbers.

    Example:
        >>> import torch
        >>> from wasserflow.models.conditional import BoundLabel
        >>> BoundLabel(lambda z, y: z + y[:, None], label=2)(torch.zeros(1, 2))
        tensor([[2., 2.]])
    """

    labels: Tensor

    def __init__(
        self, network: Callable[..., Any], label: Label, argument: str | None = None, classes: int | None = None
    ) -> None:
        super().__init__()
        self.network, self.argument, self.classes = network, argument, classes
        self.register_buffer(
            "labels", label if isinstance(label, Tensor) else torch.tensor(int(label)), persistent=False
        )
        adopt(self, network)

    def forward(self, x: Float[Tensor, "batch *event"]) -> Any:
        """Return what the network makes of x and its labels.

        Raises:
            ValueError: another number of labels than samples.
        """
        labels = labels_of(self.labels, x)
        if self.classes is not None:
            labels = nn.functional.one_hot(labels, self.classes).to(x.dtype)
        return self.network(x, labels) if self.argument is None else self.network(x, **{self.argument: labels})


def bind_label(
    network: Callable[..., Any], label: Label, argument: str | None = None, classes: int | None = None
) -> BoundLabel:
    """Bind the label of a class-conditional generator, or critic: z -> g(z, y).

    Labels of one a sample follow their samples where a method works on a part of the batch (`wf.methods.gmi`,
    `wf.spaces.Generated`, all that accept and reject). Whoever cuts a batch himself binds the labels of each part.

    Args:
        network: called as g(z, y), or g(z, argument=y); y are (batch,) integers, or (batch, classes) one-hot rows.
        label: the class, or (batch,) integers, one a sample.
        argument: the name of the labels' argument, such as `labels`; None if it is the second.
        classes: how many there are, for networks that take one-hot rows, such as StyleGAN's; None for integers.

    Returns:
        A module of one argument, with the network inside; `.to(device)` moves both.

    Raises:
        TypeError: a network that cannot be called, or labels that are not integers.
        ValueError: a label below 0, or not below `classes`; when called, another number of labels than samples.

    Example:
        >>> import torch, wasserflow as wf
        >>> generator = lambda z, labels: z + 10 * labels[:, None]
        >>> third = wf.models.bind_label(generator, 3, argument="labels")
        >>> r = wf.refine(lambda x: -(x - 30).square().sum(dim=1), torch.ones(2, 2), third)
        >>> bool((r.samples - 30).abs().max() < 1)
        True
    """
    if not callable(network):
        raise TypeError(f"the network is a {type(network).__name__}; give a function or a module")
    require_label(label, classes)
    return BoundLabel(network, label, argument, classes)
