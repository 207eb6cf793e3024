"""Read perceptrons saved by chainer (`chainer.serializers.save_npz`), the format of DOT's published 2-D models."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from wasserflow.models.adapters.chainer_file import ChainerFile

_ENTRY = re.compile(r"(?P<link>(?:(?P<chain>.*)/)?[^/]+)/[Wb]")
_LAST = ("l_out", "lout")
_OPTIMISER = "optimizer:"  # how a snapshot of chainer's trainer names what is not a network's


def load_chainer_mlp(
    path: str | Path, activation: Callable[[], nn.Module] = lambda: nn.LeakyReLU(0.2)
) -> nn.Sequential:
    """Build the perceptron of a chainer npz file, in eval mode.

    The file holds the arrays `l0/W` (out, in), `l0/b` (out,), `l1/W` and so on, a layer without bias no `b`. Other
    names are read too where each has a number: `fc1`, `predictor/linear1`, `updater/model:main/l0`, `0`; `l_out` or
    `lout` is the last. Layers follow each other in the order of their numbers, which may have gaps; an activation
    stands between two layers. Scalars and the arrays of an optimiser are left out. Nothing is unpickled.

    Args:
        path: the npz file.
        activation: makes the module between two layers. The file does not name it; DOT's 2-D models use the default.

    Returns:
        An `nn.Sequential` from (batch, in of the first layer) to (batch, out of the last layer), float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or no npz, has no layers, lacks a weight, holds an array of another name,
            several networks or numbers that are not finite, or has layers whose sizes do not chain. The message names
            the file.

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
        linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None)
        linear.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
        modules += [linear, activation()]
    return nn.Sequential(*modules[:-1]).eval()


def _layers(file: ChainerFile) -> list[tuple[Tensor, Tensor | None]]:
    """Weights and biases in order, checked."""
    layers: list[tuple[Tensor, Tensor | None]] = []
    for link in _links(file):
        weight = file.take(f"{link}/W", (None, None))
        bias = file.take(f"{link}/b", (len(weight),)) if f"{link}/b" in file.arrays else None
        if layers and weight.shape[1] != len(layers[-1][0]):
            raise ValueError(
                f"{file.path}: {link}/W takes {weight.shape[1]} inputs, the layer before gives {len(layers[-1][0])}"
            )
        layers.append((weight, bias))
    return layers


def _links(file: ChainerFile) -> list[str]:
    """The names of the linear links in the order of their numbers."""
    links: dict[tuple[float, ...], str] = {}
    chains: dict[str, str] = {}
    for name, array in file.arrays.items():
        if array.ndim == 0 or _OPTIMISER in name:
            continue
        match = _ENTRY.fullmatch(name)
        number = None if match is None else _number(match["link"])
        if match is None or number is None:
            raise ValueError(
                f"{file.path} holds {name!r}; only layers such as 'l0/W' and 'l0/b' can be read, each with a number in "
                "its name, or 'l_out' for the last"
            )
        chains[re.sub(r"\d+", "#", match["chain"] or "")] = name
        if links.setdefault(number, match["link"]) != match["link"]:
            raise ValueError(
                f"{file.path}: {links[number]!r} and {match['link']!r} have the same number; give every layer its own"
            )
    if len(chains) > 1:
        first, second, *_ = chains.values()
        raise ValueError(f"{file.path} holds {first!r} and {second!r}, of several networks; save one by itself")
    if not links:
        raise ValueError(f"{file.path} holds no layers; 'l0/W' and 'l0/b' are the least")
    return [link for _, link in sorted(links.items())]


def _number(link: str) -> tuple[float, ...] | None:
    """Where a link stands; None for a name that does not tell."""
    numbers = tuple(float(digits) for digits in re.findall(r"\d+", link))
    name = link.rpartition("/")[2]
    if name in _LAST:
        return (*numbers, math.inf)
    return numbers if re.search(r"\d", name) else None
