"""Weights on disk: safetensors, in half precision where asked, without what a shipped file already holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

SHIPPED = Path(__file__).with_name("weights")


def write_weights(path: Path, network: nn.Module, borrowed: Mapping[str, str], *, half: bool = False) -> None:
    """Write a network's weights.

    Args:
        path: the file; the name of the network is that of the file.
        network: whose.
        borrowed: what to leave out; see `Card.borrowed`.
        half: write weights of two and more axes as float16; vectors (biases, statistics of norms) stay as they are.

    Raises:
        ValueError: what is left out is not what the shipped file holds, or lies beyond the range of float16.
    """
    weights = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    lent = _lent(path.stem, borrowed)
    for key, value in lent.items():
        if key not in weights or not torch.equal(weights[key].float(), value.float()):
            raise ValueError(f"{key} of {path.stem} is to be borrowed ({dict(borrowed)}) but is not the same there")
    own = {key: value for key, value in weights.items() if key not in lent}
    save_file({key: _halved(key, value) if half else value for key, value in own.items()}, path)


def read_weights(path: Path, borrowed: Mapping[str, str]) -> dict[str, Tensor]:
    """Read what `write_weights` wrote, and what it left out.

    Args:
        path: the file.
        borrowed: what was left out; see `Card.borrowed`.

    Returns:
        A state dict, in the number formats of the files.

    Raises:
        ValueError: a file is missing or truncated; the message names it.
    """
    return _read(path) | _lent(path.stem, borrowed)


def fingerprint(*networks: nn.Module) -> str:
    """Give 16 hexadecimal digits that tell the weights of networks, the start of their SHA-256.

    Args:
        networks: whose weights; the order counts.

    Example:
        >>> from torch import nn
        >>> one, other = nn.Linear(1, 1), nn.Linear(1, 1)
        >>> fingerprint(one) == fingerprint(one), fingerprint(one) == fingerprint(other)
        (True, False)
    """
    digest = hashlib.sha256()
    for network in networks:
        for key, value in network.state_dict().items():
            digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _lent(network: str, borrowed: Mapping[str, str]) -> dict[str, Tensor]:
    """What a network borrows, by the names it has there."""
    lent = {}
    for mine, theirs in borrowed.items():
        name, _, part = mine.partition("/")
        if name != network:
            continue
        model, other, *source = theirs.split("/")
        # Without a part, all of the network.
        prefix, start = (f"{part}." if part else ""), "".join(f"{name}." for name in source)
        for key, value in _read(SHIPPED / model / f"{other}.safetensors").items():
            if key.startswith(start):
                lent[prefix + key.removeprefix(start)] = value
    return lent


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing: the card names these weights; fetch the file again") from error
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} does not hold weights: {error}; fetch the file again") from error


def _halved(key: str, value: Tensor) -> Tensor:
    if value.dim() < 2 or not value.is_floating_point():
        return value
    half = value.half()
    if not half.isfinite().all():
        raise ValueError(f"{key} reaches {float(value.abs().max()):g}, beyond float16; write it without half")
    return half
