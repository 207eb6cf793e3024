"""The standard Inception features and their Fréchet distance, behind the extra `wasserflow[inception]`."""

from __future__ import annotations

import importlib
import importlib.util
import io
import sys
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.data.images import to_uint8
from wasserflow.metrics.features import Images, feature_batches
from wasserflow.metrics.moments import FeatureMoments, frechet_distance

_PACKAGE = "torch_fidelity"


class InceptionFeatures(nn.Module):
    """The 2,048 pool features of the TensorFlow Inception network of 2015, as torch-fidelity converted it.

    Args:
        network: torch-fidelity's `FeatureExtractorInceptionV3`, uint8 images -> a tuple with the features.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Features (batch, 2048) of colour images (batch, 3, height, width) on [-1, 1], rounded to 8 bits."""
        return self.network(to_uint8(images))[0]


def inception_features() -> InceptionFeatures:
    """Load the standard Inception network; the weights (91 MB) are downloaded once and checked.

    Returns:
        The feature net, in eval mode, on the CPU.

    Raises:
        ImportError: torch-fidelity is not installed.

    Example:
        >>> net = inception_features()  # doctest: +SKIP
    """
    source = _inception_module()
    state = torch.hub.load_state_dict_from_url(
        source.URL_INCEPTION_V3, map_location="cpu", check_hash=True, weights_only=True
    )
    # torch-fidelity unpickles the file it is given: give it one that was read with weights_only and written here.
    clean = io.BytesIO()
    torch.save(state, clean)
    clean.seek(0)
    network = source.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=clean)
    return InceptionFeatures(network).eval()


def standard_inception_fid(samples: Images, reference: Images, batch_size: int = 50) -> float:
    """Fréchet inception distance with the standard network, comparable to published numbers of equal n.

    Args:
        samples: (n, 3, height, width) floats on [-1, 1], or an iterable of such batches.
        reference: the same for the reference images.
        batch_size: images a call of the network.

    Returns:
        The FID; lower is better.

    Raises:
        ImportError: torch-fidelity is not installed.
        TypeError: the images are not floating point.
        ValueError: wrong range or shape.

    Warns:
        UserWarning: fewer than 2,048 images on a side.

    Source:
        Heusel et al. 2017, "GANs trained by a two time-scale update rule", equation 6.

    Example:
        >>> standard_inception_fid(samples, reference)  # doctest: +SKIP
    """
    network = inception_features()
    return frechet_distance(
        FeatureMoments.stream(feature_batches(network, samples, batch_size)),
        FeatureMoments.stream(feature_batches(network, reference, batch_size)),
    )


def _inception_module() -> ModuleType:
    """Import torch-fidelity's Inception file without its package, which imports torchvision for other networks."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.submodule_search_locations is None:
        raise ImportError("the standard Inception FID needs torch-fidelity: pip install 'wasserflow[inception]'")
    before = {name: sys.modules.pop(name) for name in _loaded()}
    shell = ModuleType(_PACKAGE)
    shell.__path__ = list(found.submodule_search_locations)
    sys.modules[_PACKAGE] = shell
    try:
        return importlib.import_module(f"{_PACKAGE}.feature_extractor_inceptionv3")
    finally:
        for name in _loaded():
            del sys.modules[name]
        sys.modules.update(before)


def _loaded() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0] == _PACKAGE]
