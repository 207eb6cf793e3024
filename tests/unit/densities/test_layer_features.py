"""Features of a layer, also where several threads run one network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

import wasserflow as wf


def test_threads_share_a_network() -> None:
    """Each sees its own pass only, though both have hooked the same layer."""
    network = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)).eval()
    features = wf.layer_features(network)
    sets = [torch.full((n, 2), float(n)) for n in range(1, 9)]
    expected = [network[:2](x) for x in sets]
    with ThreadPoolExecutor(4) as pool:
        for found in (list(pool.map(features, sets * 20)) for _ in range(2)):
            for x, y in zip(found, expected * 20, strict=True):
                torch.testing.assert_close(x, y)


def test_layers_that_work_in_place_do_not_change_the_features() -> None:
    network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(inplace=True), nn.Linear(8, 1)).eval()
    x = torch.randn(20, 2)
    before, after = network[0](x), network[:2](x.clone())
    torch.testing.assert_close(wf.layer_features(network, "0")(x), before)
    torch.testing.assert_close(wf.layer_features(network, "1", inputs=True)(x), before)
    torch.testing.assert_close(wf.layer_features(network, "1")(x), after)
    torch.testing.assert_close(wf.layer_features(network)(x), after)
