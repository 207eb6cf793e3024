"""Spectral normalisation, as published critics have it."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


def normalise_spectrum(module: nn.Module) -> None:
    """Divide the weights of a layer by their largest singular value; for `critic.apply`, which asks of every module.

    Source:
        Miyato et al., Spectral normalization for generative adversarial networks, ICLR 2018.

    Example:
        >>> from torch import nn
        >>> from wasserflow.models.spectral import normalise_spectrum
        >>> critic = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)).apply(normalise_spectrum)
        >>> round(float(critic[0].weight.svd().S.max()), 1)
        1.0
    """
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.Embedding)):
        spectral_norm(module)
