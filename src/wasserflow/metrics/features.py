"""Features of images, taken in batches, with the mistakes refused that make metrics silently wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from tqdm import tqdm

from wasserflow.checks import check_images, require_counts
from wasserflow.freezing import modules_in
from wasserflow.modes import require_eval

FeatureNet = Callable[[Tensor], Tensor]
"""Images (batch, channels, height, width) on [-1, 1] -> features (batch, features)."""

Images = Shaped[Tensor, "*shape"] | Iterable[Tensor]
"""All images in one tensor, or an iterable of batches such as a `DataLoader`."""


def image_batches(images: Images, batch_size: int = 100) -> Iterable[Tensor]:
    """Cut a tensor of images into batches; an iterable of batches is returned as it is.

    Raises:
        ValueError: batch_size below 1.
    """
    require_counts(batch_size=batch_size)
    if not isinstance(images, Tensor):
        return images
    return images.split(batch_size) if images.ndim else [images]


def feature_batches(
    feature_net: FeatureNet, images: Images, batch_size: int = 100
) -> Iterator[Float[Tensor, "_ features"]]:
    """Yield the features of one batch after another, so that a large set need not be held.

    Args:
        feature_net: images (batch, channels, height, width) -> (batch, features), in eval mode.
        images: (n, channels, height, width) floats on [-1, 1], or an iterable of such batches.
        batch_size: images a call of `feature_net`; an iterable of batches is taken as it is cut.

    Yields:
        (batch, features), on the device of the images.

    Raises:
        TypeError: the images are not floating point.
        ValueError: wrong range or shape; a net in train mode with batch statistics or dropout; features that are not
            (batch, features) or not finite; batch_size below 1.

    Example:
        >>> import torch
        >>> batches = feature_batches(lambda x: x.mean(dim=(2, 3)), -torch.ones(5, 3, 8, 8), batch_size=2)
        >>> [tuple(batch.shape) for batch in batches]
        [(2, 3), (2, 3), (1, 3)]
    """
    require_eval(modules_in(feature_net))
    lowest, done = torch.inf, 0
    for batch in tqdm(image_batches(images, batch_size), desc="features", unit="batch", disable=None, leave=False):
        check_images(batch)
        lowest = min(lowest, float(batch.detach().min()))
        yield _features(feature_net, batch, first=done)
        done += len(batch)
    if done > 1 and lowest >= 0:
        warnings.warn(
            f"none of the {done} images has a value below 0: are they on [0, 1]? They must be on [-1, 1]: 2 * x - 1",
            stacklevel=2,
        )


def extract_features(feature_net: FeatureNet, images: Images, batch_size: int = 100) -> Float[Tensor, "n features"]:
    """Return the features of all images; see `feature_batches` for what is refused.

    Args:
        feature_net: images (batch, channels, height, width) -> (batch, features), in eval mode.
        images: (n, channels, height, width) floats on [-1, 1], or an iterable of such batches.
        batch_size: images a call of `feature_net`.

    Returns:
        (n, features), without gradients.

    Raises:
        TypeError: the images are not floating point.
        ValueError: as `feature_batches`.

    Example:
        >>> import torch
        >>> extract_features(lambda x: x.mean(dim=(2, 3)), -torch.ones(5, 3, 8, 8)).shape
        torch.Size([5, 3])
    """
    batches = list(feature_batches(feature_net, images, batch_size))
    if not batches:
        raise ValueError("there are no images; give at least one batch")
    return torch.cat(batches)


def _features(feature_net: FeatureNet, batch: Tensor, first: int) -> Tensor:
    # The type of a method says nothing of its network.
    name, shape = getattr(feature_net, "__qualname__", type(feature_net).__name__), tuple(batch.shape)
    try:
        with torch.no_grad():
            features = feature_net(batch.clone())  # networks may begin in place
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        # torch names inner shapes only; a wrong number of channels or a wrong device is found from these.
        raise ValueError(f"{name} refused images {shape}, {batch.dtype}, on {batch.device}: {error}") from error
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != len(batch):
        got = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise ValueError(f"{name} returned {got} for images {shape}; it must return (batch, features)")
    bad = ~features.isfinite().all(dim=1)
    if bad.any():
        raise ValueError(f"the features of image {first + int(bad.nonzero()[0, 0])} are not finite; mend {name}")
    return features
