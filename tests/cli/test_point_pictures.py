"""The pictures of points show the data as a whole, and the animation its steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wasserflow import reports
from wasserflow.cli.running.pictures import save_pictures


def test_limits_hold_the_data_and_frames_say_their_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[tuple[float, float], str]] = []

    def frame(particles: torch.Tensor, limits: tuple[float, float], data: torch.Tensor, title: str) -> Image.Image:
        drawn.append((limits, title))
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr(reports, "scatter_frame", frame)
    before, after = np.zeros((3, 2), np.float32), np.ones((3, 2), np.float32)
    data = torch.tensor([[-5.0, 5.0], [5.0, -5.0]])
    save_pictures(tmp_path, before, after, [torch.full((3, 2), 0.5), torch.ones(3, 2)], data, every=4)
    assert [title for _, title in drawn] == ["before", "after", "step 0", "step 4", "step 8"]
    assert all(low < -5 and high > 5 for (low, high), _ in drawn)
