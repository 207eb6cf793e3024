"""Read perceptrons saved by chainer (`chainer.serializers.save_npz`), the format of DOT's published 2-D models."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from wasserflow.models.adapters.chainer_file import ChainerFile

_ENTRY = re.compile(r"(?P<layer>l(?P<number>\d+))/(?P<kind>[Wb])")


def load_chainer_mlp(
    path: str | Path, activation: Callable[[], nn.Module] = lambda: nn.LeakyReLU(0.2)
) -> nn.Sequential:
    """Build the perceptron of a chainer npz file, in eval mode.

    The file holds the arrays `l0/W` (out, in), `l0/b` (out,), `l1/W` and so on. Layers follow each other in the order
    of their numbers, which may have gaps; an activation stands between two layers. Nothing is unpickled.

    Args:
        path: the npz file.
        activation: makes the module between two layers. The file does not name it; DOT's 2-D models use the default.

    Returns:
        An `nn.Sequential` from (batch, in of the first layer) to (batch, out of the last layer), float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or no npz, has no layers, lacks a weight or bias, holds an array of another
            name or numbers that are not finite, or has layers whose sizes do not chain. The message names the file.

    Source:
        Tanaka (2019), the released 2-D models.

    Example:
        >>> import tempfile, numpy as np, torch
        >>> from wasserflow.models.adapters.chainer import load_chainer_mlp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/g.npz", **{"l0/W": np.ones((3, 2)), "l0/b": np.zeros(3)})
        ...     load_chainer_mlp(f"{folder}/g.npz")(torch.ones(1, 2)).tolist()
        [[2.0, 2.0, 2.0]]
    """
    modules: list[nn.Module] = []
    for weight, bias in _layers(ChainerFile.read(path)):
        linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": weight, "bias": bias})
        modules += [linear, activation()]
    return nn.Sequential(*modules[:-1]).eval()


def _layers(file: ChainerFile) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases in order, checked."""
    numbers = set()
    for name in file.arrays:
        match = _ENTRY.fullmatch(name)
        if match is None:
            raise ValueError(f"{file.path} holds {name!r}; only layers such as 'l0/W' and 'l0/b' can be read")
        numbers.add((int(match["number"]), match["layer"]))
    if not numbers:
        raise ValueError(f"{file.path} holds no layers; 'l0/W' and 'l0/b' are the least")
    layers: list[tuple[Tensor, Tensor]] = []
    for _, layer in sorted(numbers):
        weight = file.take(f"{layer}/W", (None, None))
        bias = file.take(f"{layer}/b", (len(weight),))
        if layers and weight.shape[1] != len(layers[-1][0]):
            raise ValueError(
                f"{file.path}: {layer}/W takes {weight.shape[1]} inputs, the layer before gives {len(layers[-1][0])}"
            )
        layers.append((weight, bias))
    return layers
