"""The character networks: probabilities out, five residual blocks, and each line on its own."""

from __future__ import annotations

import torch
from torch import nn

from wasserflow.models import CharacterCritic, CharacterGenerator
from wasserflow.models.char_gan import ResidualConvolution


def test_every_place_holds_probabilities() -> None:
    generator = CharacterGenerator(7, width=6, length=9, latent_dim=3)
    lines = generator(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    assert lines.shape == (4, 9, 7)
    torch.testing.assert_close(lines.sum(dim=-1), torch.ones(4, 9))
    assert lines.std(dim=-1).min() > 0


def test_the_published_blocks() -> None:
    with torch.device("meta"):
        generator, critic = CharacterGenerator(100), CharacterCritic(100)
    for network in (generator, critic):
        blocks = [m for m in network.modules() if isinstance(m, ResidualConvolution)]
        convolutions = [m for block in blocks for m in block.modules() if isinstance(m, nn.Conv1d)]
        assert [(m.in_channels, m.out_channels, m.kernel_size) for m in convolutions] == 10 * [(512, 512, (5,))]
    assert generator.start[0].out_features == 512 * 32
    assert critic.head.in_features == 512 * 32


def test_the_residual_is_scaled() -> None:
    block = ResidualConvolution(2)
    nn.init.zeros_(block.residual[-1].weight)
    nn.init.ones_(block.residual[-1].bias)
    torch.testing.assert_close(block(torch.zeros(1, 2, 5)), torch.full((1, 2, 5), 0.3))


def test_a_score_depends_on_its_line_alone_and_is_linear_in_the_features() -> None:
    critic = CharacterCritic(5, width=4, length=6)
    x = torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(critic(x)[1:2], critic(x[1:2]))
    torch.testing.assert_close(critic(x), critic.head(critic.features(x)).squeeze(1))
