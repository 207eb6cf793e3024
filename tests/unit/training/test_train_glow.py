"""Training a Glow: bits per dimension, dequantisation, and runs that are resumed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from wasserflow.models import Glow
from wasserflow.training.batches import step_stream
from wasserflow.training.glow import GlowTraining, bits_per_dimension, dequantise, measure_glow, train_glow

pytest.importorskip("normflows")

IMAGES = torch.randint(0, 256, (24, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def tiny(seed: int = 1) -> Glow:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Glow(4, 1, levels=1, depth=2, width=4)


def test_dequantised_bytes_fill_their_bins() -> None:
    bytes_ = torch.arange(256, dtype=torch.uint8).repeat(500, 1)
    x = dequantise(bytes_, torch.Generator().manual_seed(0))
    assert torch.equal(((x + 1) * 128).floor(), bytes_.float())
    assert x.min() >= -1
    assert x.max() <= 1
    places = (x + 1) * 128 - bytes_
    assert places.mean().item() == pytest.approx(0.5, abs=0.005)
    assert places.var().item() == pytest.approx(1 / 12, abs=0.001)


def test_bits_of_a_known_density() -> None:
    """Numbers uniform on [-1, 0) and alone in half of the bins take 7 bits each."""
    assert bits_per_dimension(torch.tensor([0.0]), 5).item() == pytest.approx(7)
    # Two numbers, one uniform on [-1, 1], one on a sixteenth of it: (8 + 4) / 2.
    log_density = torch.tensor([math.log(1 / 2) + math.log(16 / 2)])
    assert bits_per_dimension(log_density, 2).item() == pytest.approx(6)


def test_measured_bits_are_a_mean_over_images() -> None:
    glow = tiny()
    bits = measure_glow(glow, IMAGES)
    x = dequantise(IMAGES, torch.Generator().manual_seed(0))
    expected = 7 - glow.log_prob(x).mean().item() / (16 * math.log(2))
    assert bits == pytest.approx(expected, rel=1e-5)
    assert measure_glow(glow, IMAGES, seed=1) != bits
    assert glow.training


def test_gradients_are_scaled_down_to_the_norm() -> None:
    training = GlowTraining(tiny(), max_norm=0.01)
    training.log = lambda *_: None  # needs a trainer
    training.bits(IMAGES, step_stream(0)).mean().backward()
    gradients = [parameter.grad.clone() for parameter in training.parameters()]
    training.configure_gradient_clipping(torch.optim.Adam(training.parameters()))
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    assert norm > 0.01
    for parameter, gradient in zip(training.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient * 0.01 / norm, rtol=1e-3, atol=1e-9)


def train(out: Path, iterations: int, glow: Glow | None = None, **options: object) -> Glow:
    settings = {"batch_size": 8, "checkpoint_every": 2, "snapshot_every": 4, "accelerator": "cpu", "progress": False}
    settings |= {"iterations": iterations, **options}
    return train_glow(tiny() if glow is None else glow, IMAGES, IMAGES[:8], out, **settings)


def same_weights(a: Glow, b: Glow) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_resumed_run_repeats_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(tmp_path / "whole", 5)
    step = GlowTraining.training_step

    def interrupted(self: GlowTraining, *batch: object) -> torch.Tensor:
        if self.global_step == 3:
            raise KeyError("power cut")
        return step(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(GlowTraining, "training_step", interrupted)
        with pytest.raises(KeyError, match="power cut"):
            train(tmp_path / "cut", 5)
    # What is resumed is the checkpoint, activation norms and all, whatever the network was.
    assert same_weights(whole, train(tmp_path / "cut", 5, glow=tiny(seed=2), resume=True))
    assert not same_weights(whole, train(tmp_path / "seed", 5, seed=1))
    assert not same_weights(whole, train(tmp_path / "flips", 5, flips=False))


def test_training_raises_the_likelihood_of_held_out_images(tmp_path: Path) -> None:
    steps = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4) * 4 + 60
    ramps = steps + torch.randint(0, 30, (64, 1, 1, 1), dtype=torch.uint8)
    settings = {"batch_size": 16, "iterations": 60, "lr": 2e-2, "flips": False, "progress": False, "accelerator": "cpu"}
    first = tiny()
    first.initialise(dequantise(ramps[:48], step_stream(0)))
    glow = train_glow(tiny(), ramps[:48], ramps[48:], tmp_path / "run", **settings)
    assert measure_glow(glow, ramps[48:]) < measure_glow(first, ramps[48:]) - 1


def test_a_run_leaves_what_it_promises(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = torch.random.get_rng_state()
    assert not train(out, 4, validate_every=2).training
    assert torch.equal(torch.random.get_rng_state(), before)
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert {"last.ckpt", "log/version_0/metrics.csv", "samples/samples-4.png"} <= names
    header = (out / "log/version_0/metrics.csv").read_text().splitlines()[0]
    assert "validation_bits" in header
    assert "gradient_norm" in header
    with pytest.raises(FileExistsError, match="exists and is not empty"):
        train(out, 4)
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*absent"):
        train(tmp_path / "absent", 4, resume=True)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"of images of \(3, 8, 8\), and images are \(1, 4, 4\)"):
        train(tmp_path / "run", 2, glow=Glow(8, 3, levels=1, depth=1, width=4))
    with pytest.raises(ValueError, match=r"max_norm is 0; give a number above 0"):
        train(tmp_path / "run", 2, max_norm=0)
    with pytest.raises(ValueError, match=r"bits per dimension are .* take an lr below 1e\+06"):
        train(tmp_path / "run", 40, lr=1e6)
