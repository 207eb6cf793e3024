"""Where particles live: how they are first sampled, where they may go, which directions are tangent."""

from wasserflow.spaces.box import Box
from wasserflow.spaces.codebook import Codebook
from wasserflow.spaces.euclidean import Euclidean
from wasserflow.spaces.gaussian import Gaussian, fit_gaussian
from wasserflow.spaces.held import Held
from wasserflow.spaces.interpolation import interpolate
from wasserflow.spaces.normal import Normal
from wasserflow.spaces.product import Product
from wasserflow.spaces.shells import NormShells, norms_kept
from wasserflow.spaces.sources import Generated, Samples
from wasserflow.spaces.space import PriorSpace, Source, Space
from wasserflow.spaces.sphere import Sphere

__all__ = [
    "Box",
    "Codebook",
    "Euclidean",
    "Gaussian",
    "Generated",
    "Held",
    "NormShells",
    "Normal",
    "PriorSpace",
    "Product",
    "Samples",
    "Source",
    "Space",
    "Sphere",
    "fit_gaussian",
    "interpolate",
    "norms_kept",
]
