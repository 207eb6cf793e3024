from __future__ import annotations

import pytest
import torch
from torch import nn

from wasserflow.training.penalties import gradient_penalty, slope_penalty, weighted_slopes


def test_the_slope_penalty_of_a_quadratic_critic() -> None:
    # critic = ‖x‖² has slope 2 x: the penalty is mean(4 ‖x‖²) / 2.
    x = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    assert slope_penalty(lambda v: v.square().sum(1), x).item() == pytest.approx(2 * (5 + 9) / 2)


def test_weighted_slopes_are_summed_in_full_precision() -> None:
    critic, x = nn.Linear(2, 1), torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    square = critic.weight.detach().square().sum().item() / 2
    seen = []

    def watched(v: torch.Tensor) -> torch.Tensor:
        seen.append(len(v))
        return critic(v)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        total = weighted_slopes(watched, (3.0, x), (0.5, x[:1]), (0.0, x))
    assert total.item() == pytest.approx(3.5 * square, rel=1e-6)
    assert seen == [2, 1], "a penalty without weight is not computed"
    assert weighted_slopes(watched, (0.0, x)).item() == 0


def test_the_penalty_of_a_quadratic_critic() -> None:
    # critic = ‖x‖² / 2 has slope ‖x‖; between x and 3 x it is uniform on [1, 3]: the mean of (s - 1)² is 4/3.
    real = nn.functional.normalize(torch.randn(200_000, 2, 2), dim=-1) / 2**0.5  # each sample has norm 1
    penalty = gradient_penalty(
        lambda x: x.square().sum((1, 2)) / 2,
        real,
        3 * real,
        torch.Generator().manual_seed(0),
    )
    assert penalty.item() == pytest.approx(4 / 3, rel=0.01)


def test_the_penalty_reaches_the_parameters() -> None:
    slope = nn.Linear(2, 1, bias=False)
    nn.init.constant_(slope.weight, 2.0)
    penalty = gradient_penalty(slope, torch.zeros(3, 2), torch.ones(3, 2), torch.Generator())
    penalty.backward()
    # d/dw (‖w‖ - 1)² = 2 (‖w‖ - 1) w / ‖w‖
    norm = 8**0.5
    torch.testing.assert_close(slope.weight.grad, torch.full((1, 2), 2 * (norm - 1) * 2 / norm))


def test_a_vector_critic_is_penalised_along_random_directions() -> None:
    # Along the unit direction v the slope of W x is ‖Wᵀ v‖; with orthogonal rows of length 3 it is 3, whatever v.
    critic = nn.Linear(5, 2, bias=False)
    with torch.no_grad():
        critic.weight.copy_(3 * torch.eye(2, 5))
    x, y = torch.zeros(4, 5), torch.ones(4, 5)
    assert gradient_penalty(critic, x, y, torch.Generator()).item() == pytest.approx(4)
    # Rows of lengths 3 and 1 and v = (cos a, sin a): the mean of (sqrt(9 cos² a + sin² a) - 1)².
    with torch.no_grad():
        critic.weight[1] /= 3
    angle = torch.linspace(0, 2 * torch.pi, 100_001, dtype=torch.float64)[1:]
    expected = ((9 * angle.cos() ** 2 + angle.sin() ** 2).sqrt() - 1).square().mean().item()
    many = torch.zeros(100_000, 5), torch.ones(100_000, 5)
    assert gradient_penalty(critic, *many, torch.Generator().manual_seed(0)).item() == pytest.approx(expected, rel=0.02)


def test_outputs_that_cancel_in_their_sum_are_penalised_too() -> None:
    critic = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([[7.0], [-7.0]]))
    assert gradient_penalty(critic, torch.zeros(64, 1), torch.ones(64, 1), torch.Generator()).item() > 10
