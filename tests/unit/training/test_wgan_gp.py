from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from wasserflow.data.toy import Gaussians25, SwissRoll
from wasserflow.models.mlp import mlp_critic, mlp_generator
from wasserflow.spaces import Box, Normal
from wasserflow.training.batches import step_stream
from wasserflow.training.wgan_gp import WGANGP, train_wgan_gp


def fit(gan: WGANGP, batches: list[Tensor], steps: int) -> None:
    lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(gan, torch.utils.data.DataLoader(batches, batch_size=None))


def plain_wgan_gp(gan: WGANGP, batches: list[Tensor]) -> tuple[nn.Module, nn.Module]:
    """Algorithm 1 of Gulrajani et al. (2017), with the module's random numbers."""
    generator, critic = copy.deepcopy(gan.generator), copy.deepcopy(gan.critic)
    adam_c = torch.optim.Adam(critic.parameters(), lr=1e-2, betas=(0.5, 0.9))
    adam_g = torch.optim.Adam(generator.parameters(), lr=1e-2, betas=(0.5, 0.9))
    for step, batch in enumerate(batches):
        stream = step_stream(gan.seed, step, 0)
        for real in batch.chunk(2):
            fake = generator(gan.prior.sample(len(real), seed=stream)).detach()
            e = torch.rand(len(real), generator=stream)[:, None]
            x = (e * real + (1 - e) * fake).requires_grad_()
            slope = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
            norm = (slope**2).sum(1).sqrt()
            loss = critic(fake).mean() - critic(real).mean() + 7.0 * ((norm - 1) ** 2).mean()
            adam_c.zero_grad()
            loss.backward()
            adam_c.step()
        loss = -critic(generator(gan.prior.sample(len(real), seed=stream))).mean()
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
    return generator, critic


@pytest.mark.parametrize("prior", [Normal(2), Box(-1.0, 1.0, 2)])
def test_training_follows_the_published_algorithm(prior: Normal | Box) -> None:
    gan = WGANGP(
        mlp_generator(width=8),
        mlp_critic(width=8, activation=nn.Tanh),  # a ReLU can be flat, where the plain norm has no slope
        prior,
        penalty=7.0,
        critic_steps=2,
        lr=1e-2,
        betas=(0.5, 0.9),
        seed=3,
    )
    batches = list(torch.randn(5, 12, 2))
    generator, critic = plain_wgan_gp(gan, batches)
    fit(gan, batches, steps=5)
    # The critic's last bias has no gradient but rounding, which Adam blows up: only differences of scores count.
    ours = [*gan.generator.parameters(), *list(gan.critic.parameters())[:-1]]
    theirs = [*generator.parameters(), *list(critic.parameters())[:-1]]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_the_defaults_are_the_published_settings() -> None:
    gan = WGANGP(mlp_generator(width=2), mlp_critic(width=2), Normal(2))
    assert (gan.penalty, gan.critic_steps) == (10.0, 5)
    for optimizer in gan.configure_optimizers():
        assert optimizer.defaults["lr"] == 1e-4
        assert optimizer.defaults["betas"] == (0.5, 0.9)


def test_images_with_labels_train_too() -> None:
    generator = nn.Sequential(nn.Linear(2, 27), nn.Unflatten(1, (3, 3, 3)))
    critic = nn.Sequential(nn.Flatten(), nn.Linear(27, 4), nn.Tanh(), nn.Linear(4, 1))
    gan = WGANGP(generator, critic, Normal(2), critic_steps=2)
    before = [p.detach().clone() for p in gan.parameters()]
    fit(gan, [(torch.randn(4, 3, 3, 3), torch.zeros(4))], steps=1)  # type: ignore[list-item]
    # All move but the critic's last bias, which may or may not: its gradient is rounding only.
    assert sum(not torch.equal(a, b) for a, b in zip(before, gan.parameters(), strict=True)) >= len(before) - 1


def test_a_batch_which_does_not_divide_is_refused() -> None:
    gan = WGANGP(mlp_generator(width=2), mlp_critic(width=2), Normal(2))
    with pytest.raises(ValueError, match="a batch of 12 does not divide into critic_steps=5 minibatches"):
        fit(gan, [torch.randn(12, 2)], steps=1)


SMALL: dict[str, Any] = {
    "points": 200,
    "batch_size": 8,
    "width": 4,
    "layers": 1,
    "progress": False,
    "checkpoint_every": 5,
}


def weights(gan: WGANGP) -> Tensor:
    return torch.cat([p.detach().flatten() for p in gan.parameters()])


def test_training_leaves_plain_state_dicts_and_a_log(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    gan = train_wgan_gp(SwissRoll(), tmp_path / "run", iterations=60, **SMALL)
    assert torch.equal(state, torch.get_rng_state())
    generator = mlp_generator(width=4, layers=1)
    generator.load_state_dict(load_file(tmp_path / "run" / "generator.safetensors"))
    critic = mlp_critic(width=4, layers=1)
    critic.load_state_dict(load_file(tmp_path / "run" / "critic.safetensors"))
    assert torch.equal(
        weights(gan), torch.cat([p.detach().flatten() for p in (*generator.parameters(), *critic.parameters())])
    )
    log = (tmp_path / "run" / "log" / "version_0" / "metrics.csv").read_text()
    assert "distance" in log
    assert "penalty" in log
    assert not gan.training


def test_the_critic_is_left_centred(tmp_path: Path) -> None:
    gan = train_wgan_gp(SwissRoll(), tmp_path / "run", iterations=3, seed=4, **SMALL)
    with torch.no_grad():
        real = gan.critic(SwissRoll().sample(200, seed=4))
        fake = gan.critic(gan.generator(Normal(2).sample(200, seed=4)))
    assert real.mean().item() == pytest.approx(-fake.mean().item(), abs=1e-5)
    assert abs(real.mean().item()) > 1e-3


def test_the_penalty_is_the_callers(tmp_path: Path) -> None:
    gan = train_wgan_gp(SwissRoll(), tmp_path / "run", iterations=1, penalty=3.0, **SMALL)
    assert gan.penalty == 3.0


def test_the_seed_alone_decides_the_weights(tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.rand(7)  # the caller's stream stands elsewhere each time
        runs.append(train_wgan_gp(Gaussians25(), tmp_path / name, iterations=3, seed=seed, **SMALL))
    a, b, c = runs
    assert torch.equal(weights(a), weights(b))
    # Three steps of 1e-4 hardly move the weights: others come of another start.
    assert (weights(a) - weights(c)).abs().max() > 0.1
    assert (a.seed, c.seed) == (0, 1)


def test_a_resumed_run_repeats_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = weights(train_wgan_gp(Gaussians25(), tmp_path / "whole", iterations=12, **SMALL))
    step = WGANGP.training_step

    def interrupted(self: WGANGP, batch: Any, batch_idx: int) -> None:
        if self.global_step == 8:
            raise RuntimeError("the power went out")
        step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(WGANGP, "training_step", interrupted)
        with pytest.raises(RuntimeError, match="the power went out"):
            train_wgan_gp(Gaussians25(), tmp_path / "parts", iterations=12, **SMALL)
    resumed = train_wgan_gp(Gaussians25(), tmp_path / "parts", iterations=12, resume=True, **SMALL)
    assert torch.equal(weights(resumed), whole)


def test_folders_are_not_overwritten_and_not_invented(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty; choose another folder"):
        train_wgan_gp(SwissRoll(), tmp_path, iterations=1, **SMALL)
    assert (tmp_path / "kept.txt").read_text() == "mine"
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*last\.ckpt"):
        train_wgan_gp(SwissRoll(), tmp_path, iterations=1, resume=True, **SMALL)
