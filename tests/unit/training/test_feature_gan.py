"""MMD-GAN and OCF-GAN-GP: their training against a plain loop, resuming, and what they refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import lightning
import pytest
import torch
from torch import Tensor, nn

from wasserflow.data.images import to_float
from wasserflow.models import ConvEncoder, UpconvGenerator
from wasserflow.spaces import Normal
from wasserflow.training.batches import IterationData, step_stream
from wasserflow.training.feature_distances import CharacteristicDistance, cf_distance, mmd2
from wasserflow.training.feature_gan import FeatureGAN
from wasserflow.training.mmd_gan import train_mmd_gan
from wasserflow.training.ocf_gan import train_ocf_gan

IMAGES = torch.randint(0, 256, (24, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def smooth_networks() -> tuple[nn.Module, nn.Module]:
    """Neither batch norm nor ReLU: their rounding and their kinks would part two equal runs."""
    generator = nn.Sequential(nn.Linear(4, 3 * 8 * 8), nn.Tanh(), nn.Unflatten(1, (3, 8, 8)))
    critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 6), nn.Tanh(), nn.Linear(6, 3))
    return generator, critic


def plain_mmd(real: Tensor, fake: Tensor, stream: torch.Generator, log_scale: Tensor) -> Tensor:
    return mmd2(real, fake, [1.0, 2.0])


def plain_ocf(real: Tensor, fake: Tensor, stream: torch.Generator, log_scale: Tensor) -> Tensor:
    return cf_distance(real, fake, torch.randn(5, 3, generator=stream) * log_scale.exp()).sqrt()


def plain_gan(
    gan: FeatureGAN, batches: list[Tensor], distance: Callable[[Tensor, Tensor, torch.Generator, Tensor], Tensor]
) -> tuple[nn.Module, nn.Module, Tensor]:
    """The same training without Lightning: two critic steps, penalty 3 along random directions."""
    generator, critic = copy.deepcopy(gan.generator), copy.deepcopy(gan.critic)
    log_scale = torch.full((3,), 0.5 / 3**0.5).log().requires_grad_()
    adam_c = torch.optim.Adam([*critic.parameters(), log_scale], lr=1e-2, betas=(0.5, 0.9))
    adam_g = torch.optim.Adam(generator.parameters(), lr=1e-2, betas=(0.5, 0.9))
    for step, batch in enumerate(batches):
        stream = step_stream(2, step, 0)
        for real in to_float(batch).chunk(2):
            fake = generator(Normal(4).sample(len(real), seed=stream))
            loss = -distance(critic(real), critic(fake.detach()), stream, log_scale)
            e = torch.rand(len(real), generator=stream).view(-1, 1, 1, 1)
            x = (e * real + (1 - e) * fake.detach()).requires_grad_()
            direction = torch.randn(len(real), 3, generator=stream)
            along = (critic(x) * direction).sum(1) / direction.norm(dim=1)
            slope = torch.autograd.grad(along.sum(), x, create_graph=True)[0]
            loss = loss + 3 * ((slope.square().sum((1, 2, 3)).sqrt() - 1) ** 2).mean()
            adam_c.zero_grad()
            loss.backward()
            adam_c.step()
        loss = distance(critic(real), critic(fake), stream, log_scale)
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
    return generator, critic, log_scale


@pytest.mark.parametrize("kind", ["mmd", "ocf"])
def test_training_is_the_plain_loop(kind: str) -> None:
    torch.manual_seed(1)
    distance, plain_distance = {
        "mmd": (lambda real, fake, stream: mmd2(real, fake, [1.0, 2.0]), plain_mmd),
        "ocf": (CharacteristicDistance(3, frequencies=5, scale=0.5), plain_ocf),
    }[kind]
    options = {"critic_steps": 2, "penalty": 3.0, "lr": 1e-2, "betas": (0.5, 0.9), "flips": False, "seed": 2}
    gan = FeatureGAN(*smooth_networks(), Normal(4), distance, **options)
    data = IterationData(IMAGES, batch_size=16, iterations=4, seed=5)
    generator, critic, log_scale = plain_gan(gan, [batch for (batch,) in data.loader(0)], plain_distance)
    trainer = lightning.Trainer(
        max_steps=4,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(gan, datamodule=data)
    assert trainer.global_step == 4
    for trained, expected in ((gan.generator, generator), (gan.critic, critic)):
        for name, value in expected.state_dict().items():
            # The features' common shift has no slope but rounding.
            if not (trained is gan.critic and name == "3.bias"):
                torch.testing.assert_close(trained.state_dict()[name], value, rtol=1e-3, atol=1e-4, msg=name)
    if kind == "ocf":
        torch.testing.assert_close(gan.distance.log_scale, log_scale, rtol=1e-3, atol=1e-4)
        assert (gan.distance.log_scale.exp() - 0.5 / 3**0.5).abs().max() > 1e-2


def train(kind: str, out: Path, iterations: int, images: Tensor = IMAGES, **options: object) -> FeatureGAN:
    fit = {"mmd": train_mmd_gan, "ocf": train_ocf_gan}[kind]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = UpconvGenerator(4, (8, 4), image_size=8)
        critic = ConvEncoder(3, (4, 8), image_size=8, batch_norm=False)
    settings: dict[str, object] = {"batch_size": 4, "critic_steps": 2, "checkpoint_every": 2, "snapshot_every": 2}
    settings |= {"accelerator": "cpu", "progress": False}
    return fit(generator, critic, Normal(4), images, out, iterations=iterations, **{**settings, **options})


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("kind", ["mmd", "ocf"])
def test_a_resumed_run_repeats_an_uninterrupted_one(kind: str, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    whole = train(kind, tmp_path / "whole", 5)
    assert torch.equal(torch.random.get_rng_state(), before)
    (tmp_path / "cut").mkdir()
    (tmp_path / "whole" / "iteration-2.ckpt").rename(tmp_path / "cut" / "last.ckpt")
    assert same_weights(whole, train(kind, tmp_path / "cut", 5, resume=True))
    assert not same_weights(whole.generator, train(kind, tmp_path / "other", 5, seed=1).generator)
    assert (tmp_path / "whole" / "samples" / "samples-4.png").is_file()


def test_settings_reach_the_distance(tmp_path: Path) -> None:
    one, two = (train("mmd", tmp_path / f"{b}", 1, bandwidths=[b]) for b in (0.1, 10.0))
    assert not same_weights(one.critic, two.critic)
    gan = train("ocf", tmp_path / "ocf", 1, frequencies=7, frequency_scale=0.25)
    assert gan.distance.frequencies == 7
    torch.testing.assert_close(gan.distance.log_scale.exp(), torch.full((3,), 0.25 / 3**0.5), atol=1e-3, rtol=0)


def test_the_generator_comes_closer(tmp_path: Path) -> None:
    """Real images are all white: the mean of the generated ones must rise."""
    white = torch.full((16, 3, 8, 8), 255, dtype=torch.uint8)
    for kind in ("mmd", "ocf"):
        gan = train(kind, tmp_path / kind, 60, images=white, lr=2e-3, decay=0.5, snapshot_every=60)
        made = gan.averaged_generator()(Normal(4).sample(64, seed=1))
        assert made.mean().item() > 0.15, kind


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"makes images of \(3, 8, 8\), and these are \(1, 8, 8\)"):
        train("mmd", tmp_path / "run", 1, images=IMAGES[:, :1])
    with pytest.raises(ValueError, match="critic_steps is 0; the critic needs at least 1"):
        train("mmd", tmp_path / "run", 1, critic_steps=0)
    with pytest.raises(ValueError, match=r"penalty is -1.0; it must be 0 \(none\) or more"):
        train("ocf", tmp_path / "run", 1, penalty=-1.0)
    with pytest.raises(ValueError, match=r"bandwidths are \[\]"):
        train("mmd", tmp_path / "run", 1, bandwidths=[])
    with pytest.raises(ValueError, match=r"batch_size is 13 and critic_steps is 2; .* between 1 and 24"):
        train("mmd", tmp_path / "run", 1, batch_size=13)
    with pytest.raises(ValueError, match="frequencies is 0"):
        train("ocf", tmp_path / "run", 1, frequencies=0)
    assert not (tmp_path / "run").exists()
