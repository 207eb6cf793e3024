from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

import wasserflow as wf
from wasserflow.data.images import LabelledImages, to_uint8
from wasserflow.models import ResNetCritic
from wasserflow.models.sndcgan import SNDCGANCritic
from wasserflow.spaces import Normal
from wasserflow.training.critic import CriticFit, assess_critic, refit_critic
from wasserflow.training.reliability import logits_of


def test_the_true_log_ratio_is_calibrated() -> None:
    # Two normals with means +1 and -1: log p_data - log p_model = 2 x, and AUC = Φ(2 / sqrt(2)).
    real, fake = torch.randn(40_000, 1) + 1, torch.randn(40_000, 1) - 1
    assessment = assess_critic(nn.Flatten(0), 2 * real, 2 * fake)
    assert assessment.auc == pytest.approx(0.5 * (1 + math.erf(1.0)), abs=0.003)
    assert assessment.calibration_error < 0.01
    assert assessment.real_logit == pytest.approx(2, abs=0.05)
    assert assessment.fake_logit == pytest.approx(-2, abs=0.05)
    doubled = assess_critic(nn.Flatten(0), 4 * real, 4 * fake)
    assert doubled.auc == assessment.auc
    assert doubled.calibration_error > 0.02


def test_the_calibration_error_is_the_mean_gap_over_fifteen_bins() -> None:
    """Probabilities 0.5 and 0.99 of what is real, and 0.58 of what is not: fewer bins would join 0.5 and 0.58."""
    real, fake = torch.tensor([0.5, 0.99]).logit()[:, None], torch.tensor([0.58]).logit()[:, None]
    assessment = assess_critic(nn.Flatten(0), real, fake)
    assert assessment.calibration_error == pytest.approx((0.5 + 0.58 + 0.01) / 3, rel=1e-4)


class Conditional(nn.Module):
    """A critic of samples and labels."""

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return x.flatten() * (2.0 * labels - 1)


def test_labels_of_one_a_sample_follow_it_into_the_batches() -> None:
    labels = torch.randint(0, 2, (25,))
    critic = wf.models.bind_label(Conditional(), labels)
    real, fake = torch.rand(25, 1), -torch.rand(25, 1)
    assert torch.equal(logits_of(critic, real, batch_size=10), real.flatten() * (2.0 * labels - 1))
    assert assess_critic(critic, real, fake, batch_size=10) == assess_critic(critic, real, fake)


class Brightness(nn.Module):
    """Grey images whose brightness is normal around `mean`, one latent each."""

    def __init__(self, mean: float) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.tensor(mean))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return (self.mean + 0.1 * z)[:, :, None, None].expand(-1, 1, 8, 8)


class LinearCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.slope[0] * x.mean((1, 2, 3)) + self.slope[1]


def real_images(n: int) -> torch.Tensor:
    return to_uint8(Brightness(0.1)(torch.randn(n, 1)))


def refit(out: Path, critic: nn.Module, iterations: int, **options: object) -> nn.Module:
    images = real_images(2000)
    return refit_critic(
        critic,
        Brightness(0.0).eval(),
        Normal(1),
        images,
        real_images(1000),
        out,
        iterations=iterations,
        progress=False,
        accelerator="cpu",
        **{"checkpoint_every": 2, **options},
    )


def test_a_refit_finds_the_log_ratio(tmp_path: Path) -> None:
    # Brightness N(0.1, 0.1²) against N(0, 0.1²): the log-ratio is 10 x - 0.5.
    critic = LinearCritic()
    fitted = refit(tmp_path / "run", critic, 400, lr=0.1, decay=0.98, batch_size=256, checkpoint_every=400)
    assert fitted.slope[0].item() == pytest.approx(10, rel=0.2)
    assert fitted.slope[1].item() == pytest.approx(-0.5, abs=0.15)
    assert critic.slope.tolist() == [0, 0]
    assert critic.slope.grad is None
    report = json.loads((tmp_path / "run" / "assessment.json").read_text())
    assert (tmp_path / "run" / "reliability.png").is_file()
    assert report["before"]["auc"] == 0.5
    assert report["after"]["auc"] == pytest.approx(0.76, abs=0.03)
    assert report["after"]["calibration_error"] < 0.06


@pytest.mark.parametrize(("iterations", "decay"), [(1, 0.0), (30, 0.9)])
def test_the_average_is_over_the_last_third_of_a_short_run(tmp_path: Path, iterations: int, decay: float) -> None:
    def slope(name: str, **options: float) -> list[float]:
        torch.manual_seed(4)  # the same images
        return refit(tmp_path / name, LinearCritic(), iterations, lr=0.1, **options).slope.tolist()

    unsaid = slope("unsaid")
    assert unsaid == pytest.approx(slope("said", decay=decay), rel=1e-6)
    assert unsaid != pytest.approx(slope("long", decay=0.999), rel=0.1) or iterations == 1


def penalties(**options: float) -> list[float]:
    critic = LinearCritic()
    nn.init.constant_(critic.slope, 3.0)
    fit = CriticFit(critic, Brightness(0.0).eval(), Normal(1), penalty_every=1, **options)
    x = torch.rand(4, 1, 8, 8)
    return fit._penalty(x, x).item()


def test_the_penalties_weigh_as_said() -> None:
    # ∇ critic = slope / 64 at every pixel: ‖∇‖² / 2 = 9 / 128.
    assert penalties() == 0
    assert penalties(r1=2.0) == pytest.approx(2 * 9 / 128)
    assert penalties(r1=2.0, r2=1.0) == pytest.approx(3 * 9 / 128)


class Square(nn.Module):
    """A critic ‖x‖² / 2 · scale, whose slope at x is x · scale."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x.square().flatten(1).sum(1) / 2


@pytest.mark.parametrize(("step", "times"), [(0, 3), (1, 0), (2, 0), (3, 3)])
def test_the_penalties_come_every_so_many_iterations_and_weigh_as_many_times_more(
    monkeypatch: pytest.MonkeyPatch, step: int, times: int
) -> None:
    monkeypatch.setattr(CriticFit, "global_step", step)
    fit = CriticFit(Square(), Brightness(0.0).eval(), Normal(1), r1=0.5, r2=0.1, penalty_every=3)
    real, fake = torch.ones(4, 1, 2, 2), 2 * torch.ones(4, 1, 2, 2)
    assert fit._penalty(real, fake).item() == pytest.approx(times * (0.5 * 4 / 2 + 0.1 * 16 / 2))


def test_spectral_norms_of_the_averaged_critic_are_settled(tmp_path: Path) -> None:
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(64, 16))
    fitted = refit(tmp_path / "run", nn.Sequential(nn.Flatten(), layer, nn.Linear(16, 1)), 5, lr=0.1, decay=0.5)
    assert torch.linalg.matrix_norm(fitted[1].weight, 2).item() == pytest.approx(1, rel=1e-3)


def test_a_resumed_refit_repeats_an_uninterrupted_one(tmp_path: Path) -> None:
    torch.manual_seed(3)
    critic = SNDCGANCritic(8, image_size=8, image_channels=1)
    before = copy.deepcopy(critic.state_dict())
    runs = []
    for parts in ([4], [2, 4]):
        out = tmp_path / str(len(parts))
        for number, iterations in enumerate(parts):
            torch.manual_seed(4)  # the same images
            fitted = refit(out, critic, iterations, decay=0.9, r1=0.1, r2=0.1, penalty_every=2, resume=number > 0)
        runs.append(fitted.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(runs[0].values(), runs[1].values(), strict=True))
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())
    assert not fitted.training


def test_a_generator_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"training mode.*call \.eval\(\)"):
        CriticFit(LinearCritic(), Brightness(0.0), Normal(1))


def test_what_requires_no_gradient_is_not_trained(tmp_path: Path) -> None:
    critic = ResNetCritic(widths=(4, 6), image_channels=1)
    fitted = refit(tmp_path / "run", critic, 2, lr=0.1, decay=0.5)
    changed = {name for name, value in fitted.state_dict().items() if not torch.equal(value, critic.state_dict()[name])}
    assert changed == {name for name, _ in critic.named_parameters() if name.startswith("head")}
    with pytest.raises(ValueError, match=r"no parameter of the critic requires a gradient.*requires_grad_"):
        CriticFit(critic.requires_grad_(False), Brightness(0.0).eval(), Normal(1))


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(4, 3, 8, 8), "images is torch.float32; give a uint8 tensor"),
        (LabelledImages(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4).long()), "images is LabelledImages"),
        (torch.zeros(4, 8, 8, 3, dtype=torch.uint8), r"images has shape \(4, 8, 8, 3\).*permute"),
    ],
)
def test_images_that_are_no_bytes_are_refused_before_anything_is_written(
    tmp_path: Path, images: object, words: str
) -> None:
    networks = (nn.Flatten(), nn.Linear(2, 2).eval())
    with pytest.raises((TypeError, ValueError), match=words):
        refit_critic(*networks, wf.spaces.Normal(2), images, images, str(tmp_path / "out"), iterations=1)
    assert not (tmp_path / "out").exists()
