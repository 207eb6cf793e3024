from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from wasserflow.training.averaging import moving_average
from wasserflow.training.spectral import settle_spectral_norms


def test_norms_are_one_after_the_weights_have_moved() -> None:
    layer = spectral_norm(nn.Conv2d(3, 8, 3)).eval()
    with torch.no_grad():
        layer.parametrizations.weight.original.normal_()
    before = layer.parametrizations.weight.original.clone()
    settle_spectral_norms(layer)
    norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
    torch.testing.assert_close(norm, torch.tensor(1.0), atol=1e-3, rtol=0)
    assert torch.equal(layer.parametrizations.weight.original, before)
    assert not any(m.training for m in layer.modules())


def test_an_average_of_critics_is_settled() -> None:
    layer = spectral_norm(nn.Linear(6, 6))
    average = moving_average(layer, decay=0.5)
    for _ in range(3):
        with torch.no_grad():
            layer.parametrizations.weight.original.normal_()
        layer(torch.zeros(1, 6))
        average.update_parameters(layer)
    settle_spectral_norms(average)
    norm = torch.linalg.matrix_norm(average.module.weight, 2)
    torch.testing.assert_close(norm, torch.tensor(1.0), atol=1e-3, rtol=0)


def test_norms_of_the_older_kind_are_settled_too() -> None:
    torch.manual_seed(0)
    layer = nn.utils.spectral_norm(nn.Linear(8, 8)).eval()
    before = layer.weight_orig.detach().clone()
    layer(torch.zeros(1, 8))
    assert torch.linalg.matrix_norm(layer.weight, 2) > 1.2
    settle_spectral_norms(nn.Sequential(layer))
    for _ in range(2):
        norm = torch.linalg.matrix_norm(layer.weight, 2)
        torch.testing.assert_close(norm, torch.tensor(1.0), atol=1e-3, rtol=0)
        layer(torch.zeros(1, 8))
    assert torch.equal(layer.weight_orig, before)
    assert layer.weight_orig.requires_grad
    assert not layer.training
