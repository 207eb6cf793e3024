"""A generator without a critic is refined by that of another pair, as it is and corrected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from models import critic_of_cifar10

from wasserflow.cli import main


def check_borrowing(model: str, tmp_path: Path) -> None:
    """Refine a model of CIFAR-10 by the critic of another pair, then train a corrector and refine by both."""
    pair = critic_of_cifar10(tmp_path / "pair")
    few = ["--n", "4", "--steps", "2", "--progress", "false"]
    main(["refine", "--model", model, "--critic", pair, "--out", str(tmp_path / "surrogate"), *few])
    arrays = np.load(tmp_path / "surrogate" / "samples.npz")
    assert arrays["before"].shape == (4, 32, 32, 3)

    words = ["--iterations", "2", "--batch_size", "4", "--progress", "false"]
    main(["train", "corrector", "--model", pair, "--generator", model, "--out", str(tmp_path / "corrector"), *words])
    judged = str(tmp_path / "corrector" / "model")
    main(["refine", "--model", judged, "--out", str(tmp_path / "corrected"), *few])
    np.testing.assert_array_equal(np.load(tmp_path / "corrected" / "samples.npz")["before"], arrays["before"])
