"""Whether a checkpoint can go on in the training that it is given to."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def require_resumable(checkpoint: Path, module: nn.Module) -> None:
    """Refuse a checkpoint that cannot be read, or whose weights are of another network.

    Args:
        checkpoint: the file, as Lightning leaves it.
        module: what is to go on.

    Raises:
        ValueError: the file is damaged or no checkpoint, or its weights do not fit the module.
    """
    kept = _weights(checkpoint)
    there, here = _shapes(kept), _shapes(module.state_dict())
    unlike = [name for name in [*there, *(here.keys() - there.keys())] if there.get(name) != here.get(name)]
    if unlike:
        first = unlike[0]
        more = f", and so for {len(unlike) - 1} more" if unlike[1:] else ""
        raise ValueError(
            f"cannot resume from {checkpoint}: it is of another network: {first} is {there.get(first, 'missing')} in "
            f"the file and {here.get(first, 'missing')} in this training{more}; give the options it was made with, or "
            "another folder"
        )


def _weights(checkpoint: Path) -> dict[str, Any]:
    try:
        # Mapped, so that the weights themselves are read only once, by the trainer.
        content = torch.load(checkpoint, weights_only=True, map_location="cpu", mmap=True)
        return content["state_dict"]
    except (EOFError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        said = (str(error) or "it is empty").splitlines()[0].split(". ")[0]
        raise ValueError(
            f"cannot resume from {checkpoint}: it is damaged or no checkpoint of a training ({said}); put another "
            f"checkpoint of this run in its place, or delete {checkpoint.parent} and train anew"
        ) from error


def _shapes(state: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items() if isinstance(value, Tensor)}
