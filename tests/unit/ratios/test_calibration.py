"""Calibration finds the log-ratio behind a critic, keeps its gradient, and refuses what cannot be calibrated."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from toys import mlp_critic
from wasserflow.ratios import IsotonicLogRatio, isotonic
from wasserflow.training.critic import assess_critic

GRID = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]


def sets(n: int = 40_000, m: int = 40_000) -> tuple[Tensor, Tensor]:
    """N(1, 1) and N(-1, 1): the log-ratio is 2 x."""
    return torch.randn(n, 1, dtype=torch.float64) + 1, torch.randn(m, 1, dtype=torch.float64) - 1


@pytest.mark.parametrize(("n", "m"), [(40_000, 40_000), (80_000, 8_000)])
@pytest.mark.parametrize(("slope", "offset"), [(0.25, 0.0), (3.0, -7.0), (1000.0, 1e5)])
def test_the_slope_and_the_offset_are_found_whatever_the_sizes(n: int, m: int, slope: float, offset: float) -> None:
    log_ratio = wf.calibrate(lambda x: slope * 2 * x + offset, *sets(n, m))
    assert float(log_ratio.slope) * slope == pytest.approx(1, abs=0.05)
    assert float(log_ratio.offset + log_ratio.slope * offset) == pytest.approx(0, abs=0.06)
    torch.testing.assert_close(log_ratio(GRID), 2 * GRID[:, 0], atol=0.2, rtol=0)


def test_the_gradient_in_x_is_the_critic_s_times_the_slope() -> None:
    critic = mlp_critic()
    real, fake = torch.randn(500, 2, dtype=torch.float64) + 1, torch.randn(500, 2, dtype=torch.float64)
    critic = critic if critic(real).mean() > critic(fake).mean() else nn.Sequential(critic, Negated())
    log_ratio = wf.calibrate(critic, real, fake)
    x = real[:4].clone().requires_grad_()
    (ours,) = torch.autograd.grad(log_ratio(x).sum(), x)
    (theirs,) = torch.autograd.grad(critic(x).sum(), x)
    torch.testing.assert_close(ours, log_ratio.slope * theirs)
    assert wf.refine(log_ratio, real[:4], steps=2).samples.isfinite().all()
    assert all(parameter.grad is None for parameter in log_ratio.parameters())


class Negated(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return -x


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_caller_s_grad_mode_does_not_matter(mode: object) -> None:
    real, fake = sets(500, 500)
    outside = wf.calibrate(nn.Flatten(0), real, fake)
    with mode():
        inside = wf.calibrate(nn.Flatten(0), real * 1.0, fake * 1.0)
    assert torch.equal(inside(GRID), outside(GRID))
    assert wf.refine(inside, GRID, steps=1).samples.isfinite().all()


def test_sets_that_do_not_overlap_have_a_finite_slope() -> None:
    log_ratio = wf.calibrate(nn.Flatten(0), torch.ones(100, 1), -torch.ones(100, 1))
    assert float(log_ratio(torch.ones(1, 1))) == pytest.approx(math.log(101), rel=0.01)


def test_isotonic_finds_the_log_ratio_of_any_rising_critic() -> None:
    log_ratio = isotonic(lambda x: x.pow(3) + 5, *sets(80_000, 20_000))
    torch.testing.assert_close(log_ratio(GRID), 2 * GRID[:, 0], atol=0.35, rtol=0)
    assert bool((log_ratio(torch.linspace(-9, 9, 500, dtype=torch.float64)[:, None]).diff() >= 0).all())
    far = log_ratio(torch.tensor([[-9.0], [9.0]], dtype=torch.float64))
    torch.testing.assert_close(far.abs(), torch.full_like(far, math.log(100_000)), rtol=1e-6, atol=0)


def test_isotonic_is_linear_between_its_points() -> None:
    points = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    log_ratio = IsotonicLogRatio(nn.Flatten(0), points, torch.tensor([-1.0, 1.0, 2.0], dtype=torch.float64))
    x = torch.tensor([[-5.0], [0.0], [0.25], [1.0], [2.0], [3.0], [9.0]])
    assert log_ratio(x).tolist() == [-1, -1, -0.5, 1, 1.5, 2, 2]


def test_isotonic_is_for_accept_and_reject_and_flows_refuse_it() -> None:
    noise = torch.randn(2, 20_000, 1, dtype=torch.float64)
    log_ratio = isotonic(nn.Flatten(0), noise[0] + 0.5, noise[1] - 0.5)
    with pytest.raises(ValueError, match=r"flat in steps and has no gradient; flows need wf\.calibrate"):
        wf.refine(log_ratio, GRID, steps=1)

    def propose(n: int, seed: Tensor) -> Tensor:
        return wf.spaces.Normal(1).sample(n, seed=seed, dtype=torch.float64) - 0.5

    accepted = wf.methods.metropolis_sample(propose, log_ratio, 2000, steps=30).samples
    assert float(accepted.mean()) == pytest.approx(0.5, abs=0.1)


def test_calibration_mends_the_calibration_error() -> None:
    real, fake = sets()
    doubled = nn.Sequential(nn.Linear(1, 1, dtype=torch.float64), nn.Flatten(0))
    nn.init.constant_(doubled[0].weight, 6.0)
    held_out = sets()
    before = assess_critic(doubled, *held_out)
    after = assess_critic(wf.calibrate(doubled, real, fake), *held_out)
    assert before.calibration_error > 0.04
    assert after.calibration_error < 0.006
    assert after.auc == before.auc


@pytest.mark.parametrize("calibrate", [wf.calibrate, isotonic])
class TestRefusals:
    @pytest.mark.usefixtures("unchecked_annotations")
    def test_samples(self, calibrate: object) -> None:
        real, fake = sets(20, 20)
        critic = nn.Flatten(0)
        bad = fake.clone()
        bad[3] = math.nan
        for changed, error, message in [
            ((real[:0], fake), ValueError, r"real has shape \(0, 1\).*give"),
            ((real, bad), ValueError, "fake is NaN or infinite in sample 3; leave"),
            ((real, torch.zeros(5, 2).double()), ValueError, r"fake .*\(2,\), and real .*\(1,\); make"),
            ((real, fake.float()), ValueError, "fake .*float32.*real .*float64.*make"),
        ]:
            with pytest.raises(error, match=message):
                calibrate(critic, *changed)

    @pytest.mark.usefixtures("unchecked_annotations")
    def test_what_is_no_tensor(self, calibrate: object) -> None:
        with pytest.raises(TypeError, match="real is list; give"):
            calibrate(nn.Flatten(0), [[1.0]], torch.zeros(2, 1))
        with pytest.raises(TypeError, match=r"fake is torch\.uint8; give"):
            calibrate(nn.Flatten(0), torch.zeros(2, 1), torch.zeros(2, 1, dtype=torch.uint8))

    def test_critics(self, calibrate: object) -> None:
        real, fake = sets(20, 20)
        dropout = nn.Sequential(nn.Dropout(0.5), nn.Flatten(0))
        with pytest.raises(ValueError, match=r"call \.eval\(\)"):
            calibrate(dropout, real, fake)
        with pytest.raises(ValueError, match=r"float32.*float64"):
            calibrate(nn.Linear(1, 1), real, fake)
        with pytest.raises(ValueError, match="NaN or infinite on real"):
            calibrate(lambda x: x.squeeze(1).sqrt(), real, fake.abs())


def test_a_critic_that_ranks_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ValueError, match=r"wrong way round: its slope would be -1\.9.*swap"):
        wf.calibrate(lambda x: -x, *sets())
    with pytest.raises(ValueError, match="all 40 samples have the logit 0; give"):
        wf.calibrate(lambda x: 0 * x, *sets(20, 20))


def test_labels_of_one_a_sample_follow_their_samples_into_batches() -> None:
    """1,200 labels, more than fit into one batch, of a critic that puts half of the samples 50 apart."""
    real, fake = sets(1_200, 1_200)
    labels = torch.arange(1_200) % 2

    class Shifted(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return 2 * x[:, 0] + 50.0 * y

    critic = wf.models.bind_label(Shifted().eval(), labels)
    assert float(wf.calibrate(critic, real, fake).slope) < 0.2


def test_the_line_is_that_of_platt_s_targets() -> None:
    real, fake = torch.tensor([[0.5], [2.0], [1.0], [-0.3], [0.9]]), torch.tensor([[-1.0], [0.4], [-0.2]])
    real, fake = real.double(), fake.double()
    line = wf.calibrate(lambda x: x[:, 0], real, fake)
    a, b = float(line.slope), float(line.offset)

    def pull(x: Tensor, target: float) -> tuple[float, float]:
        """The gradient of the mean cross-entropy in offset and slope."""
        missed = torch.sigmoid(a * x + b) - target
        return float(missed.mean()), float((missed * x).mean())

    for of_real, of_fake in zip(pull(real, 6 / 7), pull(fake, 1 / 5), strict=True):
        assert of_real + of_fake == pytest.approx(0, abs=1e-7)
