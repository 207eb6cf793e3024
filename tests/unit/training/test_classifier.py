from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wasserflow.data.images import LabelledImages, to_float
from wasserflow.training.attack import robust_accuracy
from wasserflow.training.classifier import train_classifier


def stripes(n: int) -> LabelledImages:
    """Horizontal or vertical stripes under noise: shifts and mirrors do not change the class."""
    labels = torch.arange(n) % 2
    stripe = (torch.arange(8) % 2 * 120).float()
    images = torch.where(labels[:, None, None, None] == 0, stripe[:, None], stripe[None, :]).expand(n, 1, 8, 8)
    return LabelledImages((images + 100 * torch.rand(n, 1, 8, 8)).to(torch.uint8), labels)


def test_a_classifier_learns(tmp_path: Path) -> None:
    train, held_out = stripes(256), stripes(100)
    options = {"batch_size": 32, "lr": 0.05, "progress": False, "accelerator": "cpu"}
    network = train_classifier(train, held_out, tmp_path / "run", epochs=2, **options)
    assert not network.training
    right = network(to_float(held_out.images)).argmax(1) == held_out.labels
    assert right.float().mean() > 0.9
    assert {"best.ckpt", "last.ckpt", "log"} <= {p.name for p in (tmp_path / "run").iterdir()}
    with pytest.raises(FileExistsError):
        train_classifier(train, held_out, tmp_path / "run", epochs=2, **options)


def test_robust_training_resists_what_ordinary_training_does_not(tmp_path: Path) -> None:
    train, held_out = stripes(256), stripes(100)
    options = {"batch_size": 32, "lr": 0.05, "epochs": 4, "widths": (8, 16), "progress": False, "accelerator": "cpu"}
    left: dict[float, float] = {}
    for radius in (0.0, 3.0):
        network = train_classifier(train, held_out, tmp_path / str(radius), radius=radius, **options)
        left[radius] = robust_accuracy(network, held_out.images, held_out.labels, radius=2.0)
    assert left[3.0] > left[0.0] + 0.2
