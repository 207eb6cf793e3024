"""WGAN-GP of images: the trainer of image GANs with its losses, its steps and its penalty."""

from __future__ import annotations

import copy
from pathlib import Path

import lightning
import pytest
import torch
from torch import Tensor, nn

from wasserflow.data.images import to_float
from wasserflow.models import ConvEncoder, SNDCGANCritic, SNDCGANGenerator, UpconvGenerator
from wasserflow.spaces import Normal
from wasserflow.training.adversarial import ImageGAN
from wasserflow.training.adversarial_losses import WASSERSTEIN
from wasserflow.training.batches import IterationData, step_stream
from wasserflow.training.image_wgan_gp import train_image_wgan_gp

IMAGES = torch.randint(0, 256, (24, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def plain_wgan_gp(gan: ImageGAN, batches: list[Tensor]) -> tuple[nn.Module, nn.Module]:
    """Algorithm 1 of Gulrajani et al. (2017), with the module's random numbers."""
    generator, critic = copy.deepcopy(gan.generator), copy.deepcopy(gan.critic)
    adam_g, adam_c = (torch.optim.Adam(m.parameters(), lr=1e-2, betas=(0.5, 0.9)) for m in (generator, critic))
    for step, batch in enumerate(batches):
        stream = step_stream(2, step, 0)
        for real in to_float(batch).chunk(3):
            fake = generator(Normal(4).sample(len(real), seed=stream))
            e = torch.rand(len(real), generator=stream).view(-1, 1, 1, 1)
            x = (e * real + (1 - e) * fake.detach()).requires_grad_()
            slope = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
            norm = slope.square().sum((1, 2, 3)).sqrt()
            loss = critic(fake.detach()).mean() - critic(real).mean() + 7 * ((norm - 1) ** 2).mean()
            adam_c.zero_grad()
            loss.backward()
            adam_c.step()
        loss = -critic(fake).mean()
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
    return generator, critic


def test_training_is_the_published_algorithm() -> None:
    torch.manual_seed(1)
    generator = nn.Sequential(nn.Linear(4, 3 * 8 * 8), nn.Tanh(), nn.Unflatten(1, (3, 8, 8)))
    critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 6), nn.Tanh(), nn.Linear(6, 1))
    options = {"critic_steps": 3, "penalty": 7.0, "lr": 1e-2, "betas": (0.5, 0.9), "flips": False, "seed": 2}
    gan = ImageGAN(generator, critic, Normal(4), WASSERSTEIN, **options)
    data = IterationData(IMAGES, batch_size=12, iterations=4, seed=5)
    plain = plain_wgan_gp(gan, [batch for (batch,) in data.loader(0)])
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
    for trained, expected in zip((gan.generator, gan.critic), plain, strict=True):
        for name, value in expected.state_dict().items():
            if name != "3.bias":  # its slope is rounding only
                torch.testing.assert_close(trained.state_dict()[name], value, rtol=1e-3, atol=1e-4, msg=name)


def train(out: Path, iterations: int, convolutional: bool = False, **options: object) -> ImageGAN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks: tuple[nn.Module, nn.Module]
        if convolutional:  # ends with a convolution, and gives (batch, 1)
            networks = (
                UpconvGenerator(4, (8, 4), image_size=8),
                ConvEncoder(1, (4, 8), image_size=8, batch_norm=False),
            )
        else:
            networks = SNDCGANGenerator(8, latent_dim=4, image_size=8), SNDCGANCritic(8, image_size=8, normalise=False)
    settings: dict[str, object] = {"batch_size": 4, "critic_steps": 2, "checkpoint_every": 2, "snapshot_every": 2}
    settings |= {"accelerator": "cpu", "progress": False, "iterations": iterations}
    return train_image_wgan_gp(*networks, Normal(4), IMAGES, out, **{**settings, **options})


def test_a_resumed_run_repeats_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", 5)
    (tmp_path / "cut").mkdir()
    (tmp_path / "whole" / "iteration-2.ckpt").rename(tmp_path / "cut" / "last.ckpt")
    resumed = train(tmp_path / "cut", 5, resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert (whole.loss, whole.penalty, whole.betas, whole.lr) == (WASSERSTEIN, 10.0, (0.5, 0.9), 1e-4)


@pytest.mark.parametrize("convolutional", [False, True])
def test_the_critic_is_left_centred(convolutional: bool, tmp_path: Path) -> None:
    gan = train(tmp_path / "run", 2, convolutional)
    critic, generator = gan.settled_critic(), gan.averaged_generator()
    with torch.no_grad():
        real, fake = critic(to_float(IMAGES)), critic(generator(Normal(4).sample(24, seed=0)))
    assert (real.mean() + fake.mean()).item() == pytest.approx(0, abs=1e-5)
    assert abs(real.mean().item()) > 1e-6
