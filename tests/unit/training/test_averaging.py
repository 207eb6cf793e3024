from __future__ import annotations

import pytest
import torch
from torch import nn

from wasserflow.training.averaging import moving_average, reestimate_batch_norm


def test_weights_and_buffers_follow_the_recursion() -> None:
    network = nn.BatchNorm1d(1)
    average = moving_average(network, decay=0.75)
    weight = mean = None
    for step in range(4):
        with torch.no_grad():
            network.weight.fill_(step**2)
            network.running_mean.fill_(3.0 * step)
        average.update_parameters(network)
        # The first update copies; later ones mix.
        weight = step**2 if weight is None else 0.75 * weight + 0.25 * step**2
        mean = 3.0 * step if mean is None else 0.75 * mean + 0.25 * 3.0 * step
    assert average.module.weight.item() == pytest.approx(weight)
    assert average.module.running_mean.item() == pytest.approx(mean)
    assert not average.module.training
    assert not average.module.weight.requires_grad
    assert network.training
    assert network.weight.requires_grad


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_that_never_forgets_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=f"decay is {decay}"):
        moving_average(nn.Linear(1, 1), decay)


def test_statistics_are_those_of_fresh_batches() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, momentum=0.3), nn.Dropout(0.9)).eval()
    network[1].running_mean.fill_(100.0)
    inputs = torch.randn(5, 64, 3)
    reestimate_batch_norm(network, lambda i: inputs[i], batches=5)
    hidden = network[0](inputs)
    torch.testing.assert_close(network[1].running_mean, hidden.mean(dim=(0, 1)))
    torch.testing.assert_close(network[1].running_var, hidden.var(dim=1).mean(dim=0))
    assert network[1].momentum == 0.3
    assert not any(m.training for m in network.modules())
