"""Labelled images as uint8 tensors: CIFAR-10, MNIST, parquet files and folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from wasserflow.data.folder import data_folder

if TYPE_CHECKING:
    import datasets

Split = Literal["train", "validation", "test"]

_FOLDER_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


@dataclass(frozen=True)
class LabelledImages:
    """Decoded images and their class labels.

    Args:
        images: (n, channels, height, width) uint8, 0 to 255.
        labels: (n,) int64; all zero where the source has no labels.
    """

    images: UInt8[Tensor, "n channels height width"]
    labels: Int64[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice) -> LabelledImages:
        return LabelledImages(self.images[index], self.labels[index])

    def of_class(self, label: int) -> UInt8[Tensor, "n channels height width"]:
        """The images of one class.

        Raises:
            ValueError: there are none.
        """
        chosen = self.images[self.labels == label]
        if not len(chosen):
            known = ", ".join(map(str, self.labels.unique().tolist()))
            raise ValueError(f"there are no images of class {label}; give one of the classes {known}")
        return chosen


def to_float(images: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Map bytes to floats on [-1, 1], the range every image network here works in: x / 127.5 - 1.

    Args:
        images: uint8 tensor of any shape, 0 to 255.

    Returns:
        float32 tensor of the same shape, -1 to 1.

    Raises:
        TypeError: the tensor is not uint8.

    Example:
        >>> import torch
        >>> to_float(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([-1.,  1.])
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"images are {images.dtype}; give uint8 values from 0 to 255")
    return images.float().div_(127.5).sub_(1.0)


def to_uint8(images: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Map floats on [-1, 1] to bytes, rounding to the nearest and clipping what lies outside.

    Args:
        images: floating-point tensor of any shape, -1 to 1.

    Returns:
        uint8 tensor of the same shape.

    Raises:
        TypeError: the tensor is not floating point.

    Example:
        >>> import torch
        >>> to_uint8(torch.tensor([-1.0, 0.0, 1.5]))
        tensor([  0, 128, 255], dtype=torch.uint8)
    """
    if not images.is_floating_point():
        raise TypeError(f"images are {images.dtype}; give floats from -1 to 1")
    return images.float().add(1.0).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def cifar10(split: Split = "train") -> LabelledImages:
    """Read CIFAR-10 from local parquet files, else from the Hugging Face hub.

    The 50,000 training images are cut into the first 45,000 (`train`) and the last 5,000 (`validation`), so that
    choices are never made on the 10,000 images of `test`.

    Args:
        split: `train`, `validation` or `test`.

    Returns:
        (n, 3, 32, 32) images and labels from 0 to 9.

    Raises:
        ValueError: an unknown split.
        FileNotFoundError: neither the local files nor the hub can be reached.
    """
    return _benchmark("cifar10", "uoft-cs/cifar10", "img", split)


def mnist(split: Split = "train") -> LabelledImages:
    """Read MNIST from local parquet files, else from the Hugging Face hub.

    `validation` is the last tenth of the training images.

    Args:
        split: `train`, `validation` or `test`.

    Returns:
        (n, 1, 28, 28) images and labels from 0 to 9.

    Raises:
        ValueError: an unknown split.
        FileNotFoundError: neither the local files nor the hub can be reached.
    """
    return _benchmark("mnist", "ylecun/mnist", "image", split)


def split_validation(data: LabelledImages) -> tuple[LabelledImages, LabelledImages]:
    """Cut a training set into its first nine tenths and its last tenth.

    Args:
        data: at least 10 images.

    Returns:
        (training part, validation part), disjoint.

    Raises:
        ValueError: fewer than 10 images.
    """
    if len(data) < 10:
        raise ValueError(f"the set has {len(data)} images; a validation tenth needs at least 10")
    held_out = len(data) // 10
    return data[:-held_out], data[-held_out:]


def image_parquet(
    files: str | Path | Sequence[str | Path], image_column: str | None = None, label_column: str | None = None
) -> LabelledImages:
    """Read the images of parquet files in the layout of the Hugging Face hub.

    Args:
        files: one parquet file or several.
        image_column: the column that holds the images; None for `image` or else `img`, the hub's names.
        label_column: the column that holds integer labels; None for a set without labels.

    Returns:
        The images in the order of the files.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a column is missing, there are no images, or they differ in size or in number of channels.
    """
    paths = [Path(f) for f in ([files] if isinstance(files, (str, Path)) else files)]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"there is no parquet file {path}")
    import datasets

    with _without_bars():
        table = datasets.load_dataset("parquet", data_files=[str(p) for p in paths], split="train")
    if image_column is None:
        names = table.column_names
        image_column = "img" if "img" in names and "image" not in names else "image"
    return _decode(table, image_column, label_column, source=", ".join(map(str, paths)))


def image_folder(folder: str | Path, size: int | None = None, channels: Literal[1, 3] = 3) -> LabelledImages:
    """Read every image below a folder; sub-folders of the first level are the classes, in alphabetical order.

    Args:
        folder: holds png, jpg, webp or bmp files, at any depth.
        size: crop the centre square and resize it (Lanczos) to this many pixels; None to take images as they are.
        channels: 3 for colour, 1 for grey.

    Returns:
        The images in alphabetical order of their paths.

    Raises:
        FileNotFoundError: the folder is missing.
        ValueError: it holds no images, or they differ in size while `size` is None.
    """
    from PIL import Image, ImageOps

    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in _FOLDER_SUFFIXES)
    classes = sorted({_class_of(p, root) for p in files})
    arrays, labels = [], []
    for file in files:
        with Image.open(file) as opened:
            image = opened.convert("RGB" if channels == 3 else "L")
        arrays.append(
            np.asarray(image if size is None else ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS))
        )
        labels.append(classes.index(_class_of(file, root)))
    return _stack(arrays, labels, source=str(root))


def _class_of(file: Path, root: Path) -> str:
    parts = file.relative_to(root).parts
    return parts[0] if len(parts) > 1 else ""


def _benchmark(name: str, hub_name: str, image_column: str, split: Split) -> LabelledImages:
    if split not in ("train", "validation", "test"):
        raise ValueError(f"split is {split!r}; it must be 'train', 'validation' or 'test'")
    stored = "test" if split == "test" else "train"
    local = data_folder() / name / f"{stored}.parquet"
    if local.is_file():
        data = image_parquet(local, image_column, "label")
    else:
        data = _decode(_from_hub(hub_name, stored, local), image_column, "label", source=hub_name)
    if split == "test":
        return data
    train, validation = split_validation(data)
    return train if split == "train" else validation


def _from_hub(hub_name: str, split: str, local: Path) -> datasets.Dataset:
    import datasets

    try:
        with nullcontext() if _hub_answers(hub_name) else _offline():  # a download shows its progress
            return datasets.load_dataset(hub_name, split=split)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"{hub_name} is not on disk ({local} does not exist) and the Hugging Face hub did not give it; "
            f"set WASSERFLOW_DATA to the folder that holds {local.parent.name}/{local.name}, or go online"
        ) from error


def _hub_answers(hub_name: str) -> bool:
    """Whether the hub can be reached: `datasets` would ask six times in half a minute, and say so each time."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().dataset_info(hub_name, timeout=10)
    except HfHubHTTPError:
        return True  # with an error that `datasets` explains
    except Exception:  # which one depends on the library that speaks HTTP
        return False
    return True


@contextmanager
def _without_bars() -> Iterator[None]:
    """Read local files without the progress bars of `datasets`, which come and go in a second."""
    from datasets.utils import disable_progress_bars, enable_progress_bars, is_progress_bar_enabled

    shown = is_progress_bar_enabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()


@contextmanager
def _offline() -> Iterator[None]:
    """Let `datasets` look among what it fetched before, and nowhere else."""
    import datasets
    import huggingface_hub

    homes: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [home.HF_HUB_OFFLINE for home in homes]
    for home in homes:
        home.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for home, value in zip(homes, before, strict=True):
            home.HF_HUB_OFFLINE = value


def _decode(table: datasets.Dataset, image_column: str, label_column: str | None, source: str) -> LabelledImages:
    for column in (image_column, label_column):
        if column is not None and column not in table.column_names:
            raise ValueError(f"{source} has no column {column!r}; it has {', '.join(table.column_names)}")
    arrays = [np.asarray(image) for image in table[image_column]]
    labels = [0] * len(arrays) if label_column is None else list(table[label_column])
    return _stack(arrays, labels, source)


def _stack(arrays: list[np.ndarray], labels: list[int], source: str) -> LabelledImages:
    if not arrays:
        raise ValueError(f"{source} holds no images")
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise ValueError(f"the images of {source} have different shapes, {shapes[0]} and {shapes[-1]}; make them equal")
    if arrays[0].dtype != np.uint8:
        raise ValueError(f"the images of {source} are {arrays[0].dtype}; 8-bit images are needed")
    images = torch.from_numpy(np.stack(arrays))
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
    return LabelledImages(images, torch.tensor(labels, dtype=torch.int64))
