from __future__ import annotations

import pytest
import torch
from torch import nn

from wasserflow.densities import JoinedFeatures
from wasserflow.densities.features import flat_features
from wasserflow.freezing import modules_in


def test_squared_distances_add_with_each_part_in_its_own_units() -> None:
    x = torch.randn(200, 3, 2)
    parts = (lambda a: 100 * a[:, 0], lambda a: a[:, 1:].square())
    joined = JoinedFeatures.balanced(parts, x)
    for part, scale in zip(parts, joined.scales, strict=True):
        assert flat_features(part, x).var(dim=0).sum().sqrt().item() == pytest.approx(scale, rel=1e-5)
    gap = (joined(x)[0] - joined(x)[1]).square().sum()
    a, b = ([flat_features(part, x[i : i + 1]) for part in parts] for i in (0, 1))
    alone = [(p - q).square().sum() / scale**2 for p, q, scale in zip(a, b, joined.scales, strict=True)]
    torch.testing.assert_close(gap, alone[0] + alone[1])
    assert joined(x).var(dim=0).sum().item() == pytest.approx(2, rel=1e-5)


def test_the_networks_of_bound_methods_are_found() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 3)
    assert set(modules_in(JoinedFeatures((first.forward, second), (1.0, 1.0)))) == {first, second}


@pytest.mark.parametrize(
    ("parts", "scales"), [((), ()), ((torch.abs,), ()), ((torch.abs,), (0.0,)), ((torch.abs,), (float("nan"),))]
)
def test_bad_scales_are_refused(parts: tuple, scales: tuple) -> None:
    with pytest.raises(ValueError, match="scale"):
        JoinedFeatures(parts, scales)
