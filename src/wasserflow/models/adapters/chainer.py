"""Read perceptrons saved by chainer (`chainer.serializers.save_npz`), the format of DOT's published 2-D models."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

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
    for weight, bias in _layers(path, _read(path)):
        linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
        modules += [linear, activation()]
    return nn.Sequential(*modules[:-1]).eval()


def _read(path: str | Path) -> dict[str, np.ndarray]:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist; give a chainer npz file") from None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a whole npz file ({error}); fetch it again") from error


def _layers(path: str | Path, arrays: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and biases in order, checked."""
    numbers = set()
    for name in arrays:
        match = _ENTRY.fullmatch(name)
        if match is None:
            raise ValueError(f"{path} holds {name!r}; only layers such as 'l0/W' and 'l0/b' can be read")
        numbers.add((int(match["number"]), match["layer"]))
    if not numbers:
        raise ValueError(f"{path} holds no layers; 'l0/W' and 'l0/b' are the least")
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    for _, layer in sorted(numbers):
        weight, bias = (_array(path, arrays, f"{layer}/{kind}", ndim) for kind, ndim in (("W", 2), ("b", 1)))
        if bias.shape != weight.shape[:1]:
            raise ValueError(f"{path}: {layer}/b is {bias.shape}, but {layer}/W is {weight.shape}, that is (out, in)")
        if layers and weight.shape[1] != layers[-1][0].shape[0]:
            raise ValueError(
                f"{path}: {layer}/W takes {weight.shape[1]} inputs, the layer before gives {layers[-1][0].shape[0]}"
            )
        layers.append((weight, bias))
    return layers


def _array(path: str | Path, arrays: Mapping[str, np.ndarray], name: str, ndim: int) -> np.ndarray:
    if name not in arrays:
        raise ValueError(f"{path} lacks {name!r}; every layer needs a weight and a bias")
    array = arrays[name]
    if array.ndim != ndim or not np.issubdtype(array.dtype, np.floating) or not array.size:
        raise ValueError(
            f"{path}: {name} is {array.dtype} {array.shape}; allowed are {ndim} axes of floats, none empty"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{path}: {name} holds numbers that are not finite")
    return np.ascontiguousarray(array, dtype=np.float32)
