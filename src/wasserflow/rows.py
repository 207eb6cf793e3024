"""Which samples of a batch are being worked on: what is given one a sample follows them into their group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

Rows = slice | Int64[Tensor, " group"]

_ROWS: ContextVar[tuple[Rows, ...]] = ContextVar("rows", default=())


@contextmanager
def moving(rows: Rows) -> Iterator[None]:
    """Say inside the block that only these samples of the batch are being worked on; of a group, if it is one already.

    Methods that cut a batch into groups do so, because the networks they call are closed over: labels lie deep inside.

    Example:
        >>> import torch
        >>> from wasserflow.rows import moving, rows_of
        >>> with moving(slice(1, 3)):
        ...     rows_of(torch.arange(4))
        tensor([1, 2])
    """
    token = _ROWS.set((*_ROWS.get(), rows))
    try:
        yield
    finally:
        _ROWS.reset(token)


def rows_of(values: Shaped[Tensor, "batch *rest"]) -> Shaped[Tensor, "group *rest"]:
    """Take, of what is given one a sample, those of the samples that are being worked on: all of them by default.

    Example:
        >>> import torch
        >>> from wasserflow.rows import rows_of
        >>> rows_of(torch.arange(4))
        tensor([0, 1, 2, 3])
    """
    for rows in _ROWS.get():
        values = values[rows.to(values.device) if isinstance(rows, Tensor) else rows]
    return values


def in_batches(
    function: Callable[[Tensor], Tensor], samples: Shaped[Tensor, "n *event"], batch_size: int = 500
) -> Shaped[Tensor, "n *rest"]:
    """Apply a function to some samples at a time, each batch with what is its own, and join the results.

    Example:
        >>> import torch
        >>> from wasserflow.rows import in_batches, rows_of
        >>> labels = torch.arange(4)
        >>> in_batches(lambda x: x + rows_of(labels), torch.zeros(4), batch_size=3)
        tensor([0., 1., 2., 3.])
    """
    results = []
    for start in range(0, len(samples), batch_size):
        rows = slice(start, start + batch_size)
        with moving(rows):
            results.append(function(samples[rows]))
    return torch.cat(results)
