"""Settle spectral norms once the weights stand still."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm


@torch.no_grad()
def settle_spectral_norms(network: nn.Module, iterations: int = 100) -> None:
    """Run power iterations until every spectral norm is exact for the weights as they are, in place.

    Training moves the singular vectors by one iteration a step, so they lag behind the weights; an average of weights
    has vectors of its own. Neither weights nor modes change, only the vectors.

    Args:
        network: layers under `torch.nn.utils.parametrizations.spectral_norm`, or under the older
            `torch.nn.utils.spectral_norm`, among others.
        iterations: power iterations for each.

    Example:
        >>> import torch
        >>> from torch.nn.utils.parametrizations import spectral_norm
        >>> from wasserflow.training.spectral import settle_spectral_norms
        >>> layer = spectral_norm(torch.nn.Linear(8, 8)).eval()
        >>> settle_spectral_norms(layer)
        >>> round(torch.linalg.matrix_norm(layer.weight, 2).item(), 3)
        1.0
    """
    for module in network.modules():
        if isinstance(module, parametrize.ParametrizationList):
            for norm in module:
                if isinstance(norm, _SpectralNorm):
                    _settle_parametrised(norm, module.original, iterations)
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm):
                _settle_hooked(hook, module, iterations)


def _settle_parametrised(norm: _SpectralNorm, weight: Tensor, iterations: int) -> None:
    was_training = norm.training
    norm.train()
    for _ in range(iterations):
        norm(weight)
    norm.train(was_training)


def _settle_hooked(hook: SpectralNorm, layer: nn.Module, iterations: int) -> None:
    for _ in range(iterations):
        hook.compute_weight(layer, do_power_iteration=True)
    # The next call will make the weight anew; who reads it before that must not find the old one.
    setattr(layer, hook.name, hook.compute_weight(layer, do_power_iteration=False))
