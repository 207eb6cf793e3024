"""What samples are measured against: a set of images seen through a feature net, or only its stored moments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wasserflow.data.images import to_uint8
from wasserflow.metrics.features import FeatureNet, Images, feature_batches, image_batches
from wasserflow.metrics.moments import FeatureMoments


@dataclass(frozen=True, eq=False)
class Reference:
    """A reference set in the eyes of one feature net.

    Args:
        name: what the set is, for reports.
        digest: SHA-256 of its 8-bit images in their order.
        feature_net: what the net is, for reports.
        moments: mean and covariance of its features.
        features: (n, features), or None where only the moments are at hand.
    """

    name: str
    digest: str
    feature_net: str
    moments: FeatureMoments
    features: Float[Tensor, "n features"] | None = None


def reference_set(
    feature_net: FeatureNet,
    images: Images,
    name: str = "reference",
    feature_name: str | None = None,
    batch_size: int = 100,
) -> Reference:
    """Look at the reference images once, for any number of evaluations.

    Args:
        feature_net: images (batch, channels, height, width) -> (batch, features), in eval mode.
        images: (n, channels, height, width) floats on [-1, 1], or an iterable of such batches.
        name: what the set is, for reports.
        feature_name: what the net is, for reports; its class if None.
        batch_size: images a call of `feature_net`.

    Returns:
        The set's digest, moments and features.

    Raises:
        TypeError: the images are not floating point.
        ValueError: wrong range or shape, or a net that must not be used as it is; see `feature_batches`.

    Example:
        >>> import torch
        >>> images = torch.linspace(-1, 1, 8 * 3 * 4 * 4).reshape(8, 3, 4, 4)
        >>> reference_set(lambda x: x.mean(dim=(2, 3)), images, name="ramp").moments.count
        8
    """
    digest = hashlib.sha256()
    seen = _hashed(image_batches(images, batch_size), digest)
    batches = list(feature_batches(feature_net, seen, batch_size))
    if not batches:
        raise ValueError(f"the reference {name!r} has no images; give at least one")
    features = torch.cat(batches)
    moments = FeatureMoments.stream(batches)
    return Reference(name, digest.hexdigest(), feature_name or type(feature_net).__name__, moments, features)


def _hashed(batches: Iterable[Tensor], digest: Any) -> Iterator[Tensor]:
    for number, batch in enumerate(batches):
        # What follows the yield runs once the batch has been checked and used.
        yield batch
        if number == 0:
            digest.update(repr(tuple(batch.shape[1:])).encode())
        digest.update(to_uint8(batch).cpu().numpy().tobytes())


def save_reference(reference: Reference, path: str | Path) -> None:
    """Write the moments, names and digest of a reference set, without its features, as safetensors.

    Args:
        reference: what to store.
        path: the file, `.safetensors`.
    """
    moments = reference.moments
    tensors = {
        "total": moments.total.cpu().contiguous(),
        "outer": moments.outer.cpu().contiguous(),
        "count": torch.tensor(moments.count),
    }
    names = {"name": reference.name, "digest": reference.digest, "feature_net": reference.feature_net}
    save_file(tensors, path, metadata=names)


def load_reference(path: str | Path) -> Reference:
    """Read what `save_reference` wrote; only the Fréchet distance can be measured against it.

    Args:
        path: the file.

    Returns:
        The reference, with `features` None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or holds something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file of reference moments {path}")
    try:
        with safe_open(path, framework="pt") as file:
            names = file.metadata() or {}
            total, outer, count = (file.get_tensor(key) for key in ("total", "outer", "count"))
        moments = FeatureMoments(total.double(), outer.double(), int(count))
        return Reference(names["name"], names["digest"], names["feature_net"], moments)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{path} is damaged or holds no reference moments ({error}); write it again with save_reference"
        ) from error
