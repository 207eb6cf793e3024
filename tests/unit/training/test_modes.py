"""Networks given in evaluation mode are trained as in train mode, and what is frozen stays in evaluation mode."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

import wasserflow as wf
from wasserflow.models import ConvEncoder, UpconvGenerator
from wasserflow.models.sndcgan import SNDCGANCritic, SNDCGANGenerator
from wasserflow.spaces import Normal
from wasserflow.training.batches import IterationData
from wasserflow.training.critic import refit_critic
from wasserflow.training.fdrl import FlowGuidedRatio
from wasserflow.training.image_gan import train_image_gan
from wasserflow.training.modes import train_what_learns
from wasserflow.training.vae import train_vae

IMAGES = torch.randint(0, 256, (24, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
QUIET: dict[str, Any] = {"accelerator": "cpu", "progress": False}


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def tracked(module: nn.Module) -> set[int]:
    return {int(value) for name, value in module.state_dict().items() if name.endswith("num_batches_tracked")}


def test_a_gan_trains_networks_in_evaluation_mode_as_others(tmp_path: Path) -> None:
    torch.manual_seed(1)
    networks = SNDCGANGenerator(8, latent_dim=4, image_size=8), SNDCGANCritic(8, image_size=8)
    gans = []
    for mode in (True, False):
        pair = [copy.deepcopy(network).train(mode) for network in networks]
        gans.append(
            train_image_gan(*pair, Normal(4), IMAGES, tmp_path / str(mode), iterations=3, batch_size=8, **QUIET)
        )
    assert same_weights(*gans)
    assert tracked(gans[1].generator) == {3}
    assert not any(part.training for part in gans[1].average.modules())


def test_an_autoencoder_that_a_run_has_returned_goes_on_learning_its_statistics(tmp_path: Path) -> None:
    networks: list[nn.Module] = [ConvEncoder(6, (4, 8), image_size=8), UpconvGenerator(3, (8, 4), image_size=8)]
    for iterations in (2, 5):
        settings = {"iterations": iterations, "batch_size": 8, "resume": iterations > 2, **QUIET}
        vae = train_vae(*networks, 3, IMAGES, tmp_path / "run", **settings)
        networks = [vae.encoder, vae.decoder]
        assert tracked(vae) == {iterations}
        assert not any(network.training for network in networks)


@pytest.mark.filterwarnings(r"ignore:Found \d+ module:UserWarning")
def test_a_ratio_is_trained_in_train_mode_by_any_trainer() -> None:
    torch.manual_seed(1)
    network, points = nn.Sequential(spectral_norm(nn.Linear(2, 8)), nn.SiLU(), nn.Linear(8, 1)), torch.randn(24, 2)
    models = []
    for mode in (True, False):
        models.append(FlowGuidedRatio(copy.deepcopy(network).train(mode), Normal(2), flow_steps=2, lr=0.01))
        silent = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
        trainer = lightning.Trainer(max_steps=3, accelerator="cpu", enable_progress_bar=False, **silent)
        trainer.fit(models[-1], datamodule=IterationData(points, batch_size=8, iterations=3))
    assert same_weights(*models)
    assert not any(part.training for part in models[1].average.modules())


def backbone() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(192), nn.Dropout(0.5)).requires_grad_(False).eval()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_frozen_backbone_of_a_critic_keeps_its_statistics(tmp_path: Path) -> None:
    critic = nn.Sequential(backbone(), nn.Linear(192, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).eval()
    floats = IMAGES / 127.5 - 1
    corrector = wf.fit_corrector(critic, floats, -floats, steps=2, lr=0.1, batch_size=4)
    generator = nn.Sequential(nn.Linear(2, 192), nn.Unflatten(1, (3, 8, 8))).eval()
    refitted = refit_critic(
        critic, generator, Normal(2), IMAGES, IMAGES[:4], tmp_path, iterations=2, batch_size=4, **QUIET
    )
    for trained in (corrector, refitted):
        assert same_weights(trained[0], critic[0])
        assert not torch.equal(trained[2].running_mean, critic[2].running_mean)
        assert not torch.equal(trained[1].weight, critic[1].weight)
    assert tracked(critic) == {0}


class Deaf(nn.Module):
    """Keeps its own frozen part in evaluation mode, as a network of ours does."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.head = backbone(), nn.Linear(192, 1)
        self.noise = nn.Dropout(0.5).eval()

    def train(self, mode: bool = True) -> Deaf:
        super().train(mode)
        self.noise.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.noise(self.trunk(x)))


def test_only_what_an_optimiser_moves_changes_its_mode() -> None:
    holder = nn.ModuleDict({"learns": Deaf().eval(), "stands": nn.Linear(2, 2).eval(), "silent": nn.Dropout().eval()})
    optimizer = torch.optim.SGD(holder["learns"].parameters(), 0.1)
    train_what_learns(holder, [optimizer])
    modes = {name: part.training for name, part in holder.named_modules()}
    assert {name for name, mode in modes.items() if mode} == {"", "learns", "learns.head"}
    holder["learns"].trunk.train()
    train_what_learns(holder, [optimizer])
    assert all(part.training for part in holder["learns"].trunk.modules())
