"""All metrics of a set of images in one call."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import torch
from jaxtyping import UInt8
from torch import Tensor

from wasserflow.data.images import to_float, to_uint8
from wasserflow.metrics.features import FeatureNet, Images, check_images, extract_features, image_batches
from wasserflow.metrics.inception_score import inception_score
from wasserflow.metrics.kernel import kernel_distance
from wasserflow.metrics.moments import FeatureMoments, frechet_distance
from wasserflow.metrics.neighbours import neighbour_metrics
from wasserflow.metrics.reference import Reference

IMAGE_METRIC_LABELS = {
    "frechet": "Fréchet distance ↓",
    "kid": "kernel distance ↓",
    "precision": "precision ↑",
    "recall": "recall ↑",
    "density": "density ↑",
    "coverage": "coverage ↑",
    "inception_score": "inception score ↑",
}
"""The metrics in the order of reports, with the direction that is better."""

_NEIGHBOURS = 5


@dataclass(frozen=True)
class ImageMetrics:
    """Metrics of a set of images, and what they were measured with.

    Args:
        frechet: Fréchet distance; lower is better.
        samples: how many images were measured.
        reference: the reference's name.
        reference_digest: SHA-256 of the reference images.
        reference_samples: how many there are.
        feature_net: the feature net's name.
        seed: what the random subsets were drawn with.
        kid: kernel distance, mean over subsets; lower is better; None without reference features, like the next five.
        kid_std: its standard deviation over subsets.
        precision: part of the samples near the reference; higher is better.
        recall: part of the reference near the samples; higher is better.
        density: how many reference balls hold a sample, over the expectation; higher is better.
        coverage: part of the reference with a sample next to it; higher is better.
        inception_score: higher is better; None without a classifier, like the next.
        inception_score_std: its standard deviation over splits.
    """

    frechet: float
    samples: int
    reference: str
    reference_digest: str
    reference_samples: int
    feature_net: str
    seed: int
    kid: float | None = None
    kid_std: float | None = None
    precision: float | None = None
    recall: float | None = None
    density: float | None = None
    coverage: float | None = None
    inception_score: float | None = None
    inception_score_std: float | None = None


def evaluate_images(
    samples: Images,
    reference: Reference,
    feature_net: FeatureNet,
    classifier: FeatureNet | None = None,
    batch_size: int = 100,
    seed: int = 0,
) -> ImageMetrics:
    """Measure images against a reference set, or against its stored moments (then the Fréchet distance only).

    The samples are rounded to 8 bits first, as they are stored: floats and the file written from them score the same.

    Args:
        samples: (n, channels, height, width) floats on [-1, 1], or an iterable of such batches.
        reference: what `reference_set` or `load_reference` returned, made with the same feature net.
        feature_net: images (batch, channels, height, width) -> (batch, features), in eval mode.
        classifier: images -> (batch, classes) logits, for the inception score; None to leave it out.
        batch_size: images a call of the nets.
        seed: draws the subsets of the kernel distance and the splits of the inception score.

    Returns:
        The metrics; None for those which could not be measured: without reference features, without a classifier, or,
        for the four that count neighbours, with fewer than 6 images on a side.

    Raises:
        TypeError: the images are not floating-point tensors, or the reference is none.
        ValueError: wrong range or shape, or a net that must not be used as it is; another number of features than
            the reference's.

    Warns:
        UserWarning: fewer than 2,048 images on a side.

    Source:
        As each metric says: `frechet_distance`, `kernel_distance`, `neighbour_metrics`, `inception_score`.

    Example:
        >>> import torch
        >>> from wasserflow.metrics import evaluate_images, reference_set
        >>> net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())
        >>> real, fake = (torch.rand(2, 2048, 3, 8, 8) * 2 - 1).unbind()
        >>> evaluate_images(fake, reference_set(net, real, name="noise"), net).reference
        'noise'
    """
    if not isinstance(reference, Reference):
        raise TypeError(
            f"the reference is a {type(reference).__name__}; give reference_set(feature_net, images), or what "
            "load_reference read"
        )
    stored = _rounded(samples, batch_size)
    features = extract_features(feature_net, map(to_float, stored.split(batch_size)))
    result = ImageMetrics(
        frechet=frechet_distance(FeatureMoments.of(features), reference.moments),
        samples=len(stored),
        reference=reference.name,
        reference_digest=reference.digest,
        reference_samples=reference.moments.count,
        feature_net=reference.feature_net,
        seed=seed,
    )
    if reference.features is not None:
        kid, kid_std = kernel_distance(features, reference.features, seed=seed)
        result = replace(result, kid=kid, kid_std=kid_std)
        if min(len(features), len(reference.features)) > _NEIGHBOURS:
            near = neighbour_metrics(features, reference.features, density_neighbours=_NEIGHBOURS)
            result = replace(result, **asdict(near))
    if classifier is not None:
        logits = extract_features(classifier, map(to_float, stored.split(batch_size)))
        score, score_std = inception_score(logits, splits=min(10, len(logits)), seed=seed)
        result = replace(result, inception_score=score, inception_score_std=score_std)
    return result


def _rounded(samples: Images, batch_size: int) -> UInt8[Tensor, "n channels height width"]:
    parts = []
    for batch in image_batches(samples, batch_size):
        check_images(batch)
        parts.append(to_uint8(batch))
    if not parts:
        raise ValueError("there are no samples; give at least one batch")
    return torch.cat(parts)
