"""The learning rate that falls at the end of a run."""

from __future__ import annotations

import lightning
import pytest
import torch
from torch import Tensor, nn

from wasserflow.models import mlp_critic, mlp_generator
from wasserflow.spaces import Normal
from wasserflow.training.learning_rate import LinearDecay
from wasserflow.training.wgan_gp import WGANGP


def test_the_rate_stands_and_then_falls_to_its_last_step() -> None:
    rule = LinearDecay(lr=0.3, steps=100, share=0.25)
    assert [rule.at(step) for step in (0, 74, 75)] == [0.3, 0.3, 0.3]
    assert rule.at(80) == pytest.approx(0.3 * 20 / 25)
    assert rule.at(99) == pytest.approx(0.3 / 25)
    assert LinearDecay(0.3, 100, 0.0).at(99) == 0.3
    with pytest.raises(ValueError, match="share is 2; give the part of the run"):
        LinearDecay(0.3, 100, 2)


def test_both_optimisers_are_told() -> None:
    rates = []

    class Recorded(WGANGP):
        def training_step(self, batch: Tensor, batch_idx: int) -> None:
            rates.append([optimizer.param_groups[0]["lr"] for optimizer in self.trainer.optimizers])
            super().training_step(batch, batch_idx)

    gan = Recorded(mlp_generator(width=2), mlp_critic(width=2), Normal(2), lr=0.1)
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(
        max_steps=4, accelerator="cpu", enable_model_summary=False, callbacks=[LinearDecay(0.1, 4, 0.5)], **options
    )
    trainer.fit(
        gan, torch.utils.data.DataLoader(nn.functional.one_hot(torch.zeros(40, dtype=torch.int64), 2).float(), 10)
    )
    assert rates == [pytest.approx([rate, rate]) for rate in (0.1, 0.1, 0.1, 0.05)]
