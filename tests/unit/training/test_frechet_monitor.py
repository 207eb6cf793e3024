"""Measuring a training does not change it, and what is measured is the samples of the moving average."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.data.images import to_float, to_uint8
from wasserflow.metrics import FeatureMoments, frechet_distance, reference_set
from wasserflow.training.fit_fdrl import train_fdrl
from wasserflow.training.frechet_monitor import FrechetMonitor

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:Found \d+ module:UserWarning"),
    pytest.mark.filterwarnings("ignore:a Fréchet distance from n:UserWarning"),
]


def features(images: Tensor) -> Tensor:
    return images.flatten(1)[:, :3]


def pictures() -> Tensor:
    return torch.randint(60, 200, (40, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def monitor(out: Path, every: int) -> FrechetMonitor:
    reference = reference_set(features, to_float(pictures()), "the data", "three pixels")
    return FrechetMonitor(features, reference, out, every=every, samples=12, extra_steps=3, seed=5)


def trained(out: Path, callbacks: list[Any], iterations: int = 6, **options: Any) -> Any:
    torch.manual_seed(0)
    normalised = torch.nn.utils.parametrizations.spectral_norm(nn.Linear(16, 8))
    network = nn.Sequential(nn.Flatten(), normalised, nn.SiLU(), nn.Linear(8, 1), nn.Flatten(0))
    source = wf.fit_gaussian(to_float(pictures()), clamp=(-1, 1))
    settings = {"batch_size": 8, "flow_steps": 2, "step_size": 0.3, "lr": 1e-2, "ema": 0.5, "flips": True, **options}
    settings |= {"iterations": iterations, "accelerator": "cpu", "progress": False, "checkpoint_every": 3}
    return train_fdrl(network, pictures(), source, wf.Pearson(), wf.least_squares, out, callbacks, **settings)


def test_a_measured_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", []).state_dict()
    after = torch.random.get_rng_state()
    measured = trained(tmp_path / "measured", [monitor(tmp_path / "measured", every=1)]).state_dict()
    assert set(plain) == set(measured)
    assert all(torch.equal(plain[name], measured[name]) for name in plain)
    assert torch.equal(after, torch.random.get_rng_state())


def test_the_distance_is_that_of_the_average_and_is_logged_and_drawn(tmp_path: Path) -> None:
    watch = monitor(tmp_path, every=3)
    model = trained(tmp_path, [watch])
    samples = model.generate(12, extra_steps=3, seed=5)
    expected = frechet_distance(FeatureMoments.of(features(to_float(to_uint8(samples)))), watch.reference.moments)
    assert list(watch.curve) == [3, 6]
    assert watch.curve[6] == pytest.approx(expected, rel=1e-6)
    assert watch.curve[3] != watch.curve[6]
    # The network itself is elsewhere than its average.
    model.average = None
    other = model.generate(12, extra_steps=3, seed=5)
    assert not torch.allclose(samples, other, atol=1e-4)
    with next((tmp_path / "log").rglob("metrics.csv")).open() as file:
        logged = {int(row["step"]): row["frechet_distance"] for row in csv.DictReader(file) if row["frechet_distance"]}
    assert {step: float(value) for step, value in logged.items()} == pytest.approx(watch.curve)
    for name in ("samples/3.png", "samples/6.png", "curve.png"):
        with Image.open(tmp_path / name) as picture:
            picture.verify()


def test_a_resumed_training_goes_on_with_the_curve(tmp_path: Path) -> None:
    whole = monitor(tmp_path / "whole", every=2)
    trained(tmp_path / "whole", [whole], iterations=6)
    resumed = monitor(tmp_path / "whole", every=2)
    # `last.ckpt` is of the last step; training on from it keeps what was measured before.
    trained(tmp_path / "whole", [resumed], iterations=8, resume=True)
    assert list(resumed.curve) == [2, 4, 6, 8]
    assert {step: resumed.curve[step] for step in (2, 4, 6)} == whole.curve


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every is 0; give at least 1"):
        monitor(tmp_path, every=0)
