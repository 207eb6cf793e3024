from __future__ import annotations

import pytest
import torch

from wasserflow.training.adversarial_losses import HINGE, NON_SATURATING, logistic_critic


def test_the_logistic_losses() -> None:
    real, fake = torch.tensor([0.3, -2.0], dtype=torch.float64), torch.tensor([1.5], dtype=torch.float64)
    expected = -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean()
    torch.testing.assert_close(NON_SATURATING.critic(real, fake), expected)
    torch.testing.assert_close(NON_SATURATING.generator(fake), -fake.sigmoid().log().mean())


def test_the_hinge_losses() -> None:
    real, fake = torch.tensor([0.5, 3.0]), torch.tensor([-4.0, 0.5])
    assert HINGE.critic(real, fake).item() == pytest.approx(0.25 + 0.75)
    assert HINGE.generator(fake).item() == pytest.approx(1.75)


def test_the_logistic_loss_is_least_at_the_log_ratio() -> None:
    # On two points with p_data = (0.8, 0.2) and p_model = (0.5, 0.5), the best logits are log(0.8/0.5), log(0.2/0.5).
    best = torch.tensor([1.6, 0.4], dtype=torch.float64).log().requires_grad_()
    real = best[torch.tensor([0] * 8 + [1] * 2)]
    fake = best[torch.tensor([0] * 5 + [1] * 5)]
    (slope,) = torch.autograd.grad(logistic_critic(real, fake), best)
    torch.testing.assert_close(slope, torch.zeros(2, dtype=torch.float64))
