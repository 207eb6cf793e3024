"""Plots of 2-D particles: they are written, they show their colours, and they leave matplotlib alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor
from torch import Tensor

from wasserflow.reports import (
    panels,
    save_latent_density,
    save_scatter_panels,
    save_velocity_fields,
    scatter_frame,
    shared_limits,
)


def log_ratio(x: Tensor) -> Tensor:
    return -x.square().sum(dim=1) / 2


def shows(path: Path, colour: str, tolerance: int = 40) -> int:
    """How many pixels have about this colour."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return int((np.abs(pixels - np.array(ImageColor.getrgb(colour))).max(axis=-1) < tolerance).sum())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes of every sheet that is drawn."""
    found: list[Any] = []
    original = panels.panel_sheet

    def spy(*args: Any, **options: Any) -> Any:
        figure, axes = original(*args, **options)
        found.extend(axes)
        return figure, axes

    for module in ("scatter", "velocity_field", "latent_density"):
        monkeypatch.setattr(f"wasserflow.reports.{module}.panel_sheet", spy)
    return found


def test_scatter_panels_share_limits_and_colours(tmp_path: Path, drawn: list[Any]) -> None:
    x = torch.randn(500, 2)
    after = {"KL": x / 2, "JS": x / 3, "logD": x / 4}
    save_scatter_panels(tmp_path / "scatter.png", x, after, data=torch.randn(300, 2), title="toy")
    assert [axes.get_title() for axes in drawn] == ["generator", "KL", "JS", "logD"]
    assert len({axes.get_xlim() for axes in drawn} | {axes.get_ylim() for axes in drawn}) == 1
    for axes, cloud in zip(drawn, [x, *after.values()], strict=True):
        np.testing.assert_allclose(axes.collections[1].get_offsets(), cloud.numpy(), rtol=1e-6)
    for colour in (panels.BEFORE_COLOUR, panels.AFTER_COLOUR):
        assert shows(tmp_path / "scatter.png", colour) > 100


def test_arrows_point_along_the_velocity(tmp_path: Path, drawn: list[Any]) -> None:
    save_velocity_fields(
        tmp_path / "field.png", {"KL": lambda x: -x, "still": torch.zeros_like}, log_ratio, (-2.0, 2.0), arrows=10
    )
    arrows = drawn[0].collections[0]
    where, along = np.asarray(arrows.get_offsets()), np.stack([arrows.U, arrows.V], axis=1)
    cosine = -(where * along).sum(axis=1) / (np.linalg.norm(where, axis=1) * np.linalg.norm(along, axis=1))
    np.testing.assert_allclose(cosine, 1.0, atol=1e-5)
    # The length is the square root of the speed: at a quarter of the speed, half as long.
    lengths, speeds = np.linalg.norm(along, axis=1), np.linalg.norm(where, axis=1)
    slow, fast = np.argmin(speeds), np.argsort(speeds)[80]
    assert lengths[slow] / lengths[fast] == pytest.approx((speeds[slow] / speeds[fast]) ** 0.5, rel=1e-4)
    assert np.abs(drawn[1].collections[0].U).max() == 0
    background = drawn[0].images[0].get_array()
    assert background.argmax() in (160 * 79 + 79, 160 * 79 + 80, 160 * 80 + 79, 160 * 80 + 80), "the peak is centred"


def test_latent_density_is_the_exponential(tmp_path: Path, drawn: list[Any]) -> None:
    z = torch.randn(200, 2)
    save_latent_density(
        tmp_path / "latent.png", lambda z: 3 * z[:, 0] + 100, {"before": z, "after": z / 2}, (-1.0, 1.0)
    )
    image = np.asarray(drawn[0].images[0].get_array())
    # Columns are z₁: over half the width, 1, the density grows by e³; rows do not matter.
    line = np.linspace(-1, 1, 200)
    np.testing.assert_allclose(np.diff(np.log(image[7, :190])), 3 * (line[1] - line[0]), rtol=1e-3)
    np.testing.assert_allclose(image[0], image[-1])
    np.testing.assert_allclose(drawn[1].collections[0].get_offsets(), z.numpy() / 2, rtol=1e-6)
    assert shows(tmp_path / "latent.png", panels.BEFORE_COLOUR) > 100


def test_frames_have_one_size_whatever_the_particles() -> None:
    frames = [scatter_frame(k * torch.randn(50, 2), (-3.0, 3.0), title=f"step {k}") for k in (1, 10)]
    assert frames[0].size == frames[1].size


def test_limits_hold_the_clouds_but_not_the_lost_ones() -> None:
    cloud = torch.rand(10_000, 2) * 4 - 2
    low, high = shared_limits([cloud, cloud / 2])
    assert (low, high) == (pytest.approx(-2.2, abs=0.02), pytest.approx(2.2, abs=0.02))
    cloud[0] = 1e6
    assert shared_limits([cloud])[1] < 3


@pytest.mark.parametrize("bad", [torch.zeros(3, 3), torch.zeros(0, 2), torch.full((3, 2), torch.inf)])
@pytest.mark.usefixtures("unchecked_annotations")
def test_what_is_no_cloud_is_refused_by_name(tmp_path: Path, bad: Tensor) -> None:
    with pytest.raises(ValueError, match="'DOT'"):
        save_scatter_panels(tmp_path / "a.png", torch.zeros(3, 2), {"DOT": bad})
    with pytest.raises(ValueError, match="'DOT'"):
        save_latent_density(tmp_path / "a.png", log_ratio, {"DOT": bad}, (-1.0, 1.0))
    assert not (tmp_path / "a.png").exists()


def test_functions_that_cannot_be_drawn_are_refused(tmp_path: Path) -> None:
    path, limits = tmp_path / "a.png", (-1.0, 1.0)
    with pytest.raises(ValueError, match="no velocities"):
        save_velocity_fields(path, {}, log_ratio, limits)
    with pytest.raises(ValueError, match="velocity 'KL' returned"):
        save_velocity_fields(path, {"KL": lambda x: x[:, :1]}, log_ratio, limits)
    with pytest.raises(ValueError, match="velocity 'KL' is not finite"):
        save_velocity_fields(path, {"KL": lambda x: x / 0}, log_ratio, limits)
    with pytest.raises(ValueError, match="log_density returned"):
        save_latent_density(path, lambda z: z, {"z": torch.zeros(3, 2)}, limits)
    with pytest.raises(ValueError, match="no particles"):
        save_latent_density(path, log_ratio, {}, limits)


def test_importing_the_room_does_not_import_matplotlib_and_plotting_not_pyplot(tmp_path: Path) -> None:
    code = f"""
import sys, torch
from wasserflow.reports import save_scatter_panels
assert "matplotlib" not in sys.modules
save_scatter_panels({str(tmp_path / "a.png")!r}, torch.randn(9, 2), {{"KL": torch.randn(9, 2)}})
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
