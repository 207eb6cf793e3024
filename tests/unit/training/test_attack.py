from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from wasserflow.training.attack import projected_gradient_attack


def linear() -> nn.Linear:
    network = nn.Linear(3, 2, bias=False)
    nn.init.zeros_(network.weight)
    with torch.no_grad():
        network.weight[0, 0], network.weight[0, 1] = 3.0, 4.0
    return network


@pytest.mark.parametrize("steps", [1, 5])
def test_the_worst_point_of_a_linear_classifier_is_found(steps: int) -> None:
    # The loss of class 0 rises along -w = -(3, 4, 0)/5 only, so the worst point of the ball is -radius w/‖w‖.
    x = torch.tensor([[0.1, 0.2, -0.3]])
    moved = projected_gradient_attack(linear(), x, torch.tensor([0]), radius=0.5, steps=steps)
    torch.testing.assert_close(moved - x, torch.tensor([[-0.3, -0.4, 0.0]]))
    moved = projected_gradient_attack(linear(), x, torch.tensor([1]), radius=0.5, steps=steps)
    torch.testing.assert_close(moved - x, torch.tensor([[0.3, 0.4, 0.0]]))


def test_the_ball_and_the_range_bound_the_attack() -> None:
    x = torch.rand(50, 3) * 2 - 1
    stream = torch.Generator().manual_seed(0)
    moved = projected_gradient_attack(linear(), x, torch.zeros(50, dtype=torch.long), 0.3, stream=stream)
    assert (moved - x).norm(dim=1).max() <= 0.3 + 1e-6
    assert moved.abs().max() <= 1
    far = projected_gradient_attack(linear(), x, torch.zeros(50, dtype=torch.long), 10.0)
    assert far.abs().max() == 1


def test_each_image_is_attacked_by_itself_and_the_network_left_alone() -> None:
    network, x = linear(), torch.rand(6, 3)
    labels = torch.arange(6) % 2
    together = projected_gradient_attack(network, x, labels, 0.2)
    alone = torch.cat(
        [projected_gradient_attack(network, a[None], b[None], 0.2) for a, b in zip(x, labels, strict=True)]
    )
    torch.testing.assert_close(together, alone)
    assert network.weight.grad is None
    assert not together.requires_grad


def test_each_image_starts_at_a_distance_of_its_own_within_the_range() -> None:
    seen: list[Tensor] = []

    class Watched(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach().clone())
            return super().forward(x)

    x, labels = torch.zeros(200, 3), torch.zeros(200, dtype=torch.long)
    projected_gradient_attack(Watched(3, 2), x, labels, 0.5, steps=1, stream=torch.Generator().manual_seed(0))
    distances = (seen[0] - x).norm(dim=1)
    # Uniform on [0, 0.5]: mean 0.25, standard deviation 0.144.
    assert distances.mean().item() == pytest.approx(0.25, abs=0.04)
    assert distances.std().item() == pytest.approx(0.144, abs=0.02)
    assert distances.max() <= 0.5
    projected_gradient_attack(Watched(3, 2), x + 0.9, labels, 0.5, steps=1, stream=torch.Generator().manual_seed(0))
    assert seen[1].abs().max() == 1
