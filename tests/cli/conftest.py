"""Models and a way to run a command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models import feature_net, image_pair, toy_pair


@pytest.fixture
def toy(tmp_path: Path) -> str:
    return toy_pair(tmp_path / "toy")


@pytest.fixture
def images(tmp_path: Path) -> str:
    reference = tmp_path / "reference.npz"
    np.savez(reference, samples=np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8))
    return image_pair(tmp_path / "images", feature_net(tmp_path / "net"), reference)
