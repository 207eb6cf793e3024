"""Log-densities of clouds of features: kernel density, kernel ridge, mollified kernels, Stein scores."""

from wasserflow.densities.bandwidths import Bandwidth, MedianBandwidth, NearestNeighbourBandwidth
from wasserflow.densities.density import Density, LogDensity
from wasserflow.densities.features import Features, ReferenceFeatures, feature_rows
from wasserflow.densities.joined_features import JoinedFeatures
from wasserflow.densities.kernel_density import KernelDensity
from wasserflow.densities.kernel_ridge import KernelRidge
from wasserflow.densities.kernel_sum import KernelSum
from wasserflow.densities.layer_features import layer_features
from wasserflow.densities.mollifier import mollifier_at, shifted_features
from wasserflow.densities.real import real_log_density
from wasserflow.densities.stein import SteinField, SteinScore

__all__ = [
    "Bandwidth",
    "Density",
    "Features",
    "JoinedFeatures",
    "KernelDensity",
    "KernelRidge",
    "KernelSum",
    "LogDensity",
    "MedianBandwidth",
    "NearestNeighbourBandwidth",
    "ReferenceFeatures",
    "SteinField",
    "SteinScore",
    "feature_rows",
    "layer_features",
    "mollifier_at",
    "real_log_density",
    "shifted_features",
]
