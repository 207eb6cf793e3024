"""Samples as files hold them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def read_arrays(path: str | Path, only: Collection[str] | None = None) -> Iterator[tuple[str, np.ndarray]]:
    """Read the arrays of an npz file one by one.

    Args:
        path: the file.
        only: the names of those to read, if they are there; all of them if None.

    Raises:
        ValueError: no such file, a damaged one, or one that only pickle could read; the message names the file.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ValueError("it holds one array without a name; write np.savez(path, samples=array)")
        with loaded as file:
            for name in file.files:
                if only is None or name in only:
                    yield name, file[name]
    except (OSError, ValueError, EOFError, KeyError, AttributeError) as error:
        # Of any other file numpy says how to read it unsafely.
        why = "it is of another kind, or damaged" if "pickle" in str(error) else error
        raise ValueError(f"{path} is not a readable .npz file: {why}") from error
    except Exception as error:
        # zipfile and zlib raise errors of their own for truncated files.
        raise ValueError(f"{path} is damaged: {error}") from error


def read_samples(path: str | Path) -> dict[str, np.ndarray]:
    """Read the samples of an npz file: `before` and `after` of a refinement, or `samples`.

    Raises:
        ValueError: what `read_arrays` refuses, or none of these arrays.
    """
    arrays = dict(read_arrays(path, ("before", "after", "samples")))
    if not arrays:
        others = ", ".join(name for name, _ in read_arrays(path))
        raise ValueError(f"{path} holds {others}; it needs `samples`, or `before` and `after`")
    return arrays


def to_float_images(samples: np.ndarray) -> Tensor:
    """uint8 NHWC as stored -> float NCHW on [-1, 1].

    Raises:
        ValueError: another layout or dtype.
    """
    from wasserflow.data.images import to_float

    if samples.ndim != 4 or samples.dtype != np.uint8 or samples.shape[3] not in (1, 3):
        raise ValueError(f"the images are {samples.dtype} {samples.shape}; store uint8 (n, height, width, 1 or 3)")
    return to_float(torch.from_numpy(samples).permute(0, 3, 1, 2))
