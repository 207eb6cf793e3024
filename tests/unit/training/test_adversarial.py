from __future__ import annotations

import copy
from pathlib import Path

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from wasserflow.data.images import to_float
from wasserflow.models.sndcgan import SNDCGANCritic, SNDCGANGenerator
from wasserflow.spaces import Normal
from wasserflow.training.adversarial import ImageGAN
from wasserflow.training.adversarial_losses import HINGE
from wasserflow.training.augment import flip
from wasserflow.training.averaging import moving_average
from wasserflow.training.batches import IterationData, step_stream
from wasserflow.training.image_gan import train_image_gan

IMAGES = torch.randint(0, 256, (24, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def small_gan(**options: float) -> ImageGAN:
    torch.manual_seed(1)
    generator = SNDCGANGenerator(8, latent_dim=4, image_size=8)
    return ImageGAN(generator, SNDCGANCritic(8, image_size=8), Normal(4), seed=2, **options)


def fit(gan: ImageGAN, iterations: int, precision: str = "32-true") -> lightning.Trainer:
    trainer = lightning.Trainer(
        max_steps=iterations,
        accelerator="cpu",
        precision=precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(gan, datamodule=IterationData(IMAGES, batch_size=8, iterations=iterations, seed=5))
    return trainer


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def plain_gan(gan: ImageGAN, batches: list[Tensor]) -> tuple[nn.Module, nn.Module, nn.Module]:
    """The same training without Lightning: non-saturating, penalty 0.3 at every second iteration, noise 0.1."""
    generator, critic = copy.deepcopy(gan.generator), copy.deepcopy(gan.critic)
    average = moving_average(generator, 0.9)
    adam_g, adam_c = (torch.optim.Adam(m.parameters(), lr=1e-2, betas=(0.5, 0.999)) for m in (generator, critic))
    for step, batch in enumerate(batches):
        stream = step_stream(2, step, 0)
        real = flip(to_float(batch), stream)
        fake = generator(Normal(4).sample(len(real), seed=stream))
        both = torch.cat([real, fake.detach()])
        logits = critic(both + 0.1 * torch.randn(both.shape, generator=stream))
        loss = softplus(-logits[:8]).mean() + softplus(logits[8:]).mean()
        if step % 2 == 0:
            x = real.clone().requires_grad_()
            slope = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
            loss = loss + 0.3 * 2 * (slope**2).sum((1, 2, 3)).mean() / 2
        adam_c.zero_grad()
        loss.backward()
        adam_c.step()
        loss = softplus(-critic(fake + 0.1 * torch.randn(fake.shape, generator=stream))).mean()
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
        average.update_parameters(generator)
    return generator, critic, average.module


def test_training_is_the_plain_loop() -> None:
    # A bias before a batch norm has no slope but rounding, which Adam would blow up: no batch norm here.
    generator = nn.Sequential(nn.Linear(4, 3 * 8 * 8), nn.Tanh(), nn.Unflatten(1, (3, 8, 8)))
    options = {"lr": 1e-2, "decay": 0.9, "r1": 0.3, "penalty_every": 2, "noise_std": 0.1}
    gan = ImageGAN(generator, SNDCGANCritic(8, image_size=8), Normal(4), seed=2, **options)
    batches = [batch for (batch,) in IterationData(IMAGES, batch_size=8, iterations=4, seed=5).loader(0)]
    plain = plain_gan(gan, batches)
    trainer = fit(gan, 4)
    assert trainer.global_step == 4
    for trained, expected in zip((gan.generator, gan.critic, gan.average.module), plain, strict=True):
        for name, value in expected.state_dict().items():
            torch.testing.assert_close(trained.state_dict()[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_losses_are_what_was_passed_in() -> None:
    hinge, logistic = small_gan(loss=HINGE, lr=1e-2), small_gan(lr=1e-2)
    fit(hinge, 2)
    fit(logistic, 2)
    assert not same_weights(hinge.critic, logistic.critic)


def test_bfloat16_keeps_weights_and_singular_vectors_in_full_precision() -> None:
    gan, full = small_gan(lr=1e-3), small_gan(lr=1e-3)
    fit(gan, 3, precision="bf16-mixed")
    fit(full, 3)
    assert {v.dtype for v in gan.state_dict().values()} == {torch.float32, torch.int64}
    for name, value in full.critic.state_dict().items():
        torch.testing.assert_close(gan.critic.state_dict()[name], value, rtol=0.2, atol=0.05, msg=name)


def test_the_averaged_generator_has_statistics_of_its_own() -> None:
    gan = small_gan(lr=1e-2, decay=0.9)
    fit(gan, 3)
    z = Normal(4).sample(4096, seed=9)
    averaged = gan.averaged_generator(batches=64, batch_size=64)
    assert not averaged.training
    first_norm = next(m for m in averaged.modules() if isinstance(m, nn.BatchNorm2d))
    hidden = averaged.network[:2](z)
    torch.testing.assert_close(first_norm.running_mean, hidden.mean((0, 2, 3)), atol=0.02, rtol=0)
    torch.testing.assert_close(first_norm.running_var, hidden.var((0, 2, 3)), rtol=0.1, atol=0)
    assert same_weights(gan.average.module.network[0], averaged.network[0])


def test_statistics_are_not_taken_on_the_latents_that_the_seed_gives() -> None:
    gan, seen = small_gan(), []
    gan.average.module.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    gan.averaged_generator(batches=3, batch_size=8)
    latents = torch.cat(seen)
    assert latents.shape == (24, 4)
    assert not torch.isin(latents, Normal(4).sample(24, seed=gan.seed)).any()
    gan.averaged_generator(batches=3, batch_size=8)
    assert torch.equal(latents, torch.cat(seen[3:]))


def test_the_settled_critic_is_spectrally_normalised() -> None:
    gan = small_gan()
    with torch.no_grad():
        for parameter in gan.critic.parameters():
            parameter.normal_()
    settled = gan.settled_critic()
    norm = torch.linalg.matrix_norm(settled.trunk[2].weight.flatten(1), 2)
    assert norm.item() == pytest.approx(1, abs=1e-3)
    assert not settled.training
    assert gan.critic.training


def test_a_critic_with_spectral_norms_of_the_older_kind_is_settled_after_its_training() -> None:
    torch.manual_seed(1)
    critic = nn.Sequential(nn.Flatten(), nn.utils.spectral_norm(nn.Linear(192, 8)), nn.ReLU(), nn.Linear(8, 1))
    gan = ImageGAN(SNDCGANGenerator(8, latent_dim=4, image_size=8), critic, Normal(4), lr=1e-2)
    fit(gan, 2)
    settled = gan.settled_critic()
    assert torch.linalg.matrix_norm(settled[1].weight, 2).item() == pytest.approx(1, abs=1e-3)
    assert torch.equal(settled[1].weight_orig, critic[1].weight_orig)
    assert not torch.equal(settled[1].weight_u, critic[1].weight_u)


def train(out: Path, iterations: int, **options: object) -> ImageGAN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator, critic = SNDCGANGenerator(8, latent_dim=4, image_size=8), SNDCGANCritic(8, image_size=8)
    return train_image_gan(
        generator,
        critic,
        Normal(4),
        IMAGES,
        out,
        iterations=iterations,
        batch_size=8,
        checkpoint_every=2,
        snapshot_every=2,
        accelerator="cpu",
        progress=False,
        **options,
    )


def test_a_resumed_run_repeats_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", 5)
    train(tmp_path / "parts", 2)
    resumed = train(tmp_path / "parts", 5, resume=True)
    assert same_weights(whole, resumed)
    # A run that was interrupted, not one that had come to its end.
    (tmp_path / "cut").mkdir()
    (tmp_path / "whole" / "iteration-2.ckpt").rename(tmp_path / "cut" / "last.ckpt")
    assert same_weights(whole, train(tmp_path / "cut", 5, resume=True))
    assert not same_weights(whole, train(tmp_path / "other", 5, seed=1))


def test_a_run_leaves_what_it_promises(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = torch.random.get_rng_state()
    train(out, 4)
    assert torch.equal(torch.random.get_rng_state(), before)
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert {"last.ckpt", "log/version_0/metrics.csv", "iteration-2.ckpt", "iteration-4.ckpt"} <= names
    assert {"samples/samples-2.png", "samples/samples-4.png"} <= names
    with pytest.raises(FileExistsError, match="exists and is not empty"):
        train(out, 4)
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*absent"):
        train(tmp_path / "absent", 4, resume=True)


def test_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    images = torch.zeros(8, 1, 28, 28, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"makes images of \(3, 32, 32\), and these are \(1, 28, 28\)"):
        train_image_gan(SNDCGANGenerator(8, latent_dim=4), SNDCGANCritic(8), Normal(4), images, tmp_path / "run")
