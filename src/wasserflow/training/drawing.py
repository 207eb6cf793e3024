"""Batches of a law that is known by a tensor, a data set or a function, with some samples held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from torch.utils.data import Dataset

from wasserflow.checks import listed, not_finite
from wasserflow.data.images import to_float
from wasserflow.training.batches import step_stream

Law = Shaped[Tensor, "_n *event"] | Dataset[Any] | Callable[..., Tensor]

_HELD_OUT = 1000


@dataclass(frozen=True, eq=False)
class Drawing:
    """Samples to learn from, drawn at random, and others to measure on.

    Args:
        name: what messages call it.
        draw: (n, seed) -> n samples.
        held_out: samples that `draw` never gives.
    """

    name: str
    draw: Callable[[int, int], Tensor]
    held_out: Float[Tensor, "m *event"]

    def __call__(self, n: int, seed: int) -> Float[Tensor, "n *event"]:
        """Draw n samples, a function of the seed.

        Raises:
            TypeError: what is drawn is not a tensor of floats or uint8.
            ValueError: another number or shape of samples, NaN or infinity.
        """
        samples = _floats(self.name, self.draw(n, seed), n)
        if samples.shape[1:] != self.held_out.shape[1:]:
            raise ValueError(
                f"{self.name} gave samples of shape {tuple(samples.shape[1:])} after {tuple(self.held_out.shape[1:])}; "
                "they must all have one shape"
            )
        return samples


def drawing(name: str, law: Law, seed: int, number: int) -> Drawing:
    """Prepare a law for training: a tenth of a tensor or data set is held out, at most 1000; a function is asked anew.

    Args:
        name: what messages call it.
        law: (n, *event) samples, uint8 images among them; a `torch.utils.data.Dataset` with a length, whose items are
            samples or begin with one; or a function (n, seed) -> samples.
        seed: of the run.
        number: which of the run's laws this is: they must not share a stream.

    Raises:
        TypeError: anything else.
        ValueError: fewer than 2 samples, NaN or infinity.

    Example:
        >>> import torch
        >>> from wasserflow.training.drawing import drawing
        >>> law = drawing("points", torch.arange(40.0)[:, None], seed=0, number=0)
        >>> law(8, seed=1).shape, len(law.held_out)
        (torch.Size([8, 1]), 4)
    """
    stream = step_stream(seed, number)
    if not isinstance(law, (Tensor, Dataset)):
        if not callable(law):
            raise TypeError(f"{name} is a {type(law).__name__}; give a tensor, a torch Dataset or a function (n, seed)")
        ask = torch.no_grad()(law)
        return Drawing(name, ask, _floats(name, ask(_HELD_OUT, stream.initial_seed()), _HELD_OUT))
    size = _size(name, law)
    order = torch.randperm(size, generator=stream)
    count = min(_HELD_OUT, max(1, size // 10))
    held, rest = order[:count], order[count:]

    def draw(n: int, seed: int) -> Tensor:
        return _items(name, law, rest[torch.randint(len(rest), (n,), generator=torch.Generator().manual_seed(seed))])

    return Drawing(name, draw, _floats(name, _items(name, law, held), count))


def _size(name: str, law: Tensor | Dataset[Any]) -> int:
    if not hasattr(law, "__len__") or (isinstance(law, Tensor) and law.ndim == 0):
        raise TypeError(f"{name} is a {type(law).__name__} without a length; give one with a length, or a function")
    if len(law) < 2:
        raise ValueError(f"{name} has {len(law)} samples; give at least 2, one to learn from and one to measure on")
    bad = not_finite(law) if isinstance(law, Tensor) else []
    if bad:
        raise ValueError(f"{name} is NaN or infinite in sample {listed(bad)}; leave those out")
    return len(law)


def _items(name: str, law: Tensor | Dataset[Any], indices: Int64[Tensor, " n"]) -> Tensor:
    if isinstance(law, Tensor):
        return law[indices.to(law.device)]
    items = [law[index] for index in indices.tolist()]
    items = [item[0] if isinstance(item, (tuple, list)) else item for item in items]
    for item in items:
        if not isinstance(item, Tensor):
            raise TypeError(f"{name} has a {type(item).__name__} for an item; these must be tensors or begin with one")
    return torch.stack(items)


def _floats(name: str, samples: object, n: int) -> Tensor:
    if not isinstance(samples, Tensor) or not (samples.is_floating_point() or samples.dtype == torch.uint8):
        kind = samples.dtype if isinstance(samples, Tensor) else type(samples).__name__
        raise TypeError(f"{name} gave {kind}; its samples must be tensors of floats, or of uint8 for images")
    if len(samples) != n:
        raise ValueError(f"{name} gave {len(samples)} samples where {n} were asked for; it must give that many")
    bad = not_finite(samples)
    if bad:
        raise ValueError(f"{name} gave NaN or infinity in sample {listed(bad)}; mend what generates it")
    samples = to_float(samples) if samples.dtype == torch.uint8 else samples.detach()
    return samples.clone() if samples.is_inference() else samples  # those cannot be trained on
