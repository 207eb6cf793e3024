"""A variational autoencoder: its bound against torch.distributions, its gradients, and runs that are resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from wasserflow.data.images import to_float
from wasserflow.models import ConvEncoder, UpconvGenerator
from wasserflow.training.vae import VAE, gaussian_kl, gaussian_negative_log_likelihood, measure_vae, train_vae

IMAGES = torch.randint(0, 256, (24, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
SHAPE = {"image_size": 8, "image_channels": 1}


def networks(latent_dim: int = 3, **shape: int) -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        shape = {**SHAPE, **shape}
        encoder = ConvEncoder(2 * latent_dim, widths=(4, 8), **shape)
        return encoder, UpconvGenerator(latent_dim, widths=(8, 4), **shape)


def test_kl_is_that_of_torch_distributions() -> None:
    mean, log_variance = torch.randn(2, 5, 7, dtype=torch.float64)
    posterior = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(gaussian_kl(mean, log_variance), kl_divergence(posterior, prior))


def test_likelihood_is_that_of_torch_distributions() -> None:
    x, mean = torch.randn(2, 5, 3, 4, 4, dtype=torch.float64)
    log_std = torch.tensor(-1.3, dtype=torch.float64)
    expected = -Independent(Normal(mean, log_std.exp()), 3).log_prob(x)
    torch.testing.assert_close(gaussian_negative_log_likelihood(x, mean, log_std), expected)


class Affine(nn.Module):
    """Encoder with mean a·x and a fixed variance, or decoder b·z: everything about them is known."""

    def __init__(self, slope: float, log_variance: float | None = None) -> None:
        super().__init__()
        self.slope, self.log_variance = nn.Parameter(torch.tensor(slope)), log_variance

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.log_variance is None:
            return (self.slope * x)[:, :, None, None]
        mean = self.slope * x.flatten(1)
        return torch.cat([mean, torch.full_like(mean, self.log_variance)], 1)


def test_reparametrised_gradients_of_a_linear_model() -> None:
    """With z = a x + s ε the mean of (x - b z)² / 2 std² is ((1 - ab)² x² + b² s²) / 2 std²."""
    a, b, s, std, x = 0.6, 0.8, 0.5, 0.7, 0.9
    vae = VAE(Affine(a, 2 * torch.tensor(s).log().item()), Affine(b), std=std)
    images = torch.full((200_000, 1, 1, 1), x)
    likelihood, kl = vae.bound(images, torch.Generator().manual_seed(0))
    (likelihood.mean() + kl.mean()).backward()
    slope_a = -b * (1 - a * b) * x**2 / std**2 + a * x**2
    slope_b = (-a * (1 - a * b) * x**2 + b * s**2) / std**2
    assert vae.encoder.slope.grad.item() == pytest.approx(slope_a, abs=0.006)  # 4 standard errors
    assert vae.decoder.slope.grad.item() == pytest.approx(slope_b, abs=0.01)
    assert vae.log_std.grad is None


def test_the_bound_is_below_the_evidence_of_a_linear_model() -> None:
    """p(x) = N(0, b² + std²); with the exact posterior the bound is tight, with another it is lower."""
    b, std, x = 0.8, 0.7, 0.9
    variance = 1 / (1 + b**2 / std**2)
    images = torch.full((400_000, 1, 1, 1), x)
    evidence = Normal(0.0, (b**2 + std**2) ** 0.5).log_prob(torch.tensor(x)).item()
    for wrong, gap in ((1.0, 0.0), (2.0, None)):
        log_variance = torch.tensor(wrong * variance).log().item()
        vae = VAE(Affine(variance * b / std**2, log_variance), Affine(b), std=std)
        bound = -sum(part.mean().item() for part in vae.bound(images, torch.Generator().manual_seed(0)))
        if gap is not None:
            assert bound == pytest.approx(evidence, abs=0.005)
        else:
            assert bound == pytest.approx(evidence - (wrong - 1 - torch.tensor(wrong).log().item()) / 2, abs=0.005)


def test_a_learnt_std_rests_at_the_error_of_the_reconstruction(tmp_path: Path) -> None:
    vae, x = VAE(*networks()).eval(), to_float(IMAGES)
    with torch.no_grad():
        vae.log_std.zero_()
        likelihood, _ = vae.bound(x, torch.Generator().manual_seed(0))
        error = (2 * likelihood.mean() / 64 - torch.tensor(2 * torch.pi).log()).sqrt()
        vae.log_std.copy_(error.log())
    vae.bound(x, torch.Generator().manual_seed(0))[0].mean().backward()
    assert abs(vae.log_std.grad.item()) < 1e-3
    assert train(tmp_path / "learnt", 2).log_std.exp().item() != pytest.approx(0.25, rel=1e-4)
    assert train(tmp_path / "fixed", 2, std=0.3).log_std.exp().item() == pytest.approx(0.3)


def test_measurements_are_means_over_images() -> None:
    vae = VAE(*networks(), std=0.5).eval()
    metrics = measure_vae(vae, IMAGES)
    x = to_float(IMAGES)
    with torch.no_grad():
        mean, log_variance = vae.posterior(x)
        assert metrics["KL, nats"] == pytest.approx(gaussian_kl(mean, log_variance).mean().item(), rel=1e-5)
        assert metrics["mean squared error"] == pytest.approx((vae.decoder(mean) - x).square().mean().item(), rel=1e-5)
    assert measure_vae(vae, IMAGES) == metrics
    assert measure_vae(vae, IMAGES, seed=1) != metrics
    vae.train()
    assert measure_vae(vae, IMAGES) == metrics
    assert vae.decoder.training


def train(out: Path, iterations: int, images: torch.Tensor = IMAGES, **options: object) -> VAE:
    settings = {"batch_size": 8, "checkpoint_every": 2, "snapshot_every": 4, "accelerator": "cpu", "progress": False}
    return train_vae(*networks(), 3, images, out, iterations=iterations, **{**settings, **options})


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_resumed_run_repeats_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(tmp_path / "whole", 5)
    step = VAE.training_step

    def interrupted(self: VAE, *batch: object) -> torch.Tensor:
        if self.global_step == 3:
            raise KeyError("power cut")
        return step(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(VAE, "training_step", interrupted)
        with pytest.raises(KeyError, match="power cut"):
            train(tmp_path / "cut", 5)
    assert same_weights(whole, train(tmp_path / "cut", 5, resume=True))
    assert not same_weights(whole, train(tmp_path / "seed", 5, seed=1))
    assert not same_weights(whole, train(tmp_path / "flips", 5, flips=False))


def test_a_run_leaves_what_it_promises(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = torch.random.get_rng_state()
    assert not train(out, 4).training
    assert torch.equal(torch.random.get_rng_state(), before)
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert {"last.ckpt", "log/version_0/metrics.csv", "samples/samples-4.png"} <= names
    with pytest.raises(FileExistsError, match="exists and is not empty"):
        train(out, 4)
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*absent"):
        train(tmp_path / "absent", 4, resume=True)


def test_refusals(tmp_path: Path) -> None:
    encoder, decoder = networks()
    _, wide_decoder = networks(image_size=12)
    for given, images, message in (
        ((encoder, wide_decoder, 3), IMAGES, r"decoder makes images of \(1, 12, 12\), and these are \(1, 8, 8\)"),
        ((ConvEncoder(5, widths=(4, 8), **SHAPE), decoder, 3), IMAGES, r"gives \(5,\) numbers an image; give one of 6"),
    ):
        with pytest.raises(ValueError, match=message):
            train_vae(*given, images, tmp_path / "run", progress=False)
    for std in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match=r"std is .*; it must be positive and finite, or None"):
            VAE(encoder, decoder, std=std)
    with pytest.raises(ValueError, match=r"the bound is .* take an lr below"):
        train(tmp_path / "run", 40, lr=1e6)
