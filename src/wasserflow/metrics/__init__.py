"""How good samples are: distances between sets of features, and how the sets lie among each other."""

from wasserflow.metrics.features import check_images, extract_features, feature_batches
from wasserflow.metrics.image_metrics import IMAGE_METRIC_LABELS, ImageMetrics, evaluate_images
from wasserflow.metrics.inception import inception_features, standard_inception_fid
from wasserflow.metrics.inception_score import inception_score
from wasserflow.metrics.kernel import kernel_distance
from wasserflow.metrics.moments import FeatureMoments, frechet_distance
from wasserflow.metrics.nearest import Nearest, nearest_neighbours
from wasserflow.metrics.neighbours import NeighbourMetrics, neighbour_metrics
from wasserflow.metrics.ngrams import ngram_divergence
from wasserflow.metrics.pairs import Kept, kept
from wasserflow.metrics.reference import Reference, load_reference, reference_set, save_reference

__all__ = [
    "IMAGE_METRIC_LABELS",
    "FeatureMoments",
    "ImageMetrics",
    "Kept",
    "Nearest",
    "NeighbourMetrics",
    "Reference",
    "check_images",
    "evaluate_images",
    "extract_features",
    "feature_batches",
    "frechet_distance",
    "inception_features",
    "inception_score",
    "kept",
    "kernel_distance",
    "load_reference",
    "nearest_neighbours",
    "neighbour_metrics",
    "ngram_divergence",
    "reference_set",
    "save_reference",
    "standard_inception_fid",
]
