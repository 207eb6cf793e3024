"""Animations, read back frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wasserflow.reports import image_grid, save_animation


def test_frames_colours_and_pauses_are_those_given(tmp_path: Path) -> None:
    values = torch.linspace(-1, 1, 6)
    frames = [image_grid(torch.full((4, 3, 8, 8), float(value))) for value in values]
    save_animation(tmp_path / "a.gif", frames, frame_ms=100, hold_ms=900)
    with Image.open(tmp_path / "a.gif") as saved:
        assert saved.n_frames == 6
        assert saved.info["loop"] == 0
        durations, ends = [], {}
        for number in range(6):
            saved.seek(number)
            durations.append(saved.info["duration"])
            ends[number] = np.asarray(saved.convert("RGB"))[10, 10]
    assert durations == [900, 100, 100, 100, 100, 900]
    assert (ends[0].tolist(), ends[5].tolist()) == ([0, 0, 0], [255, 255, 255])


def test_one_frame_is_enough(tmp_path: Path) -> None:
    save_animation(tmp_path / "a.gif", [image_grid(torch.zeros(1, 1, 8, 8))])
    with Image.open(tmp_path / "a.gif") as saved:
        assert saved.size == (68, 68)


def test_no_frames_and_unequal_frames_are_refused(tmp_path: Path) -> None:
    small, large = (image_grid(torch.zeros(1, 1, size, size), scale=1) for size in (8, 9))
    for frames in ([], [small, large]):
        with pytest.raises(ValueError, match="all of one size"):
            save_animation(tmp_path / "a.gif", frames)


def test_rare_colours_stay(tmp_path: Path) -> None:
    """A patch of magenta in a grey picture; the median cut over all colours would turn it grey."""
    random = np.random.default_rng(0)
    picture = random.integers(90, 170, (128, 128, 1), dtype=np.uint8).repeat(3, axis=2)
    picture = picture + random.integers(0, 30, picture.shape, dtype=np.uint8)
    picture[:4, :4] = (230, 20, 200)
    save_animation(tmp_path / "a.gif", [Image.fromarray(picture)] * 2)
    with Image.open(tmp_path / "a.gif") as written:
        shown = np.asarray(written.convert("RGB")).astype(int)
    assert np.abs(shown[:4, :4] - (230, 20, 200)).max() < 20
