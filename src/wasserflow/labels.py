"""Class labels: one for all samples of a batch, or one a sample."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from wasserflow.rows import rows_of

Label = int | np.integer[Any] | Int64[Tensor, "*labels"]


def require_label(label: object, classes: int | None = None) -> None:
    """Refuse what names no class.

    Args:
        label: an int, or a tensor of int64, one a sample.
        classes: how many there are; any number if None.

    Raises:
        TypeError: neither.
        ValueError: a label below 0, or not below `classes`.

    Example:
        >>> from wasserflow.labels import require_label
        >>> require_label(3, classes=10)
    """
    if isinstance(label, Integral) and not isinstance(label, bool):
        lowest = highest = int(label)
    elif isinstance(label, Tensor) and label.dtype == torch.int64 and label.ndim <= 1 and label.numel() > 0:
        lowest, highest = int(label.min()), int(label.max())
    else:
        raise TypeError(f"label is {label!r}; give an int, or a tensor (batch,) of int64, one a sample")
    if lowest < 0 or (classes is not None and highest >= classes):
        allowed = "0 or more" if classes is None else f"0 to {classes - 1}, as there are {classes} classes"
        raise ValueError(f"label is {lowest if lowest < 0 else highest}; give {allowed}")


def labels_of(label: Label, x: Tensor) -> Int64[Tensor, " batch"]:
    """Give each sample of a batch its label; of labels given one a sample, those of the samples being worked on.

    Args:
        label: as `require_label` takes it.
        x: (batch, *event) samples.

    Raises:
        ValueError: another number of labels than samples.

    Example:
        >>> import torch
        >>> from wasserflow.labels import labels_of
        >>> labels_of(3, torch.zeros(2, 5))
        tensor([3, 3])
    """
    whole = label.to(x.device) if isinstance(label, Tensor) else torch.tensor(int(label), device=x.device)
    labels = whole.expand(len(x)) if whole.ndim == 0 else rows_of(whole)
    if len(labels) != len(x):
        raise ValueError(f"there are {len(labels)} labels for {len(x)} samples; give one, or one a sample")
    return labels
