from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from wasserflow.data.images import LabelledImages, to_float
from wasserflow.training.attack import robust_accuracy
from wasserflow.training.classifier import ImageClassifier, train_classifier


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


def test_an_attack_leaves_the_modes_of_frozen_parts() -> None:
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64).requires_grad_(False).eval(), nn.Linear(64, 2))
    data = stripes(8)
    classifier = ImageClassifier(network, 2, radius=1.0)
    classifier._attacked(to_float(data.images), data.labels, torch.Generator())
    assert [part.training for part in network] == [True, False, True]
    assert int(network[1].num_batches_tracked) == 0


def small(out: Path, **options: object) -> nn.Module:
    settings = {"batch_size": 32, "lr": 0.05, "widths": (4, 8), "epochs": 3, "progress": False, "accelerator": "cpu"}
    torch.manual_seed(3)
    return train_classifier(stripes(64), stripes(10), out, **settings, **options)


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("during", ["training_step", "validation_step"])
def test_a_resumed_run_keeps_the_best_weights_of_an_uninterrupted_one(
    during: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = {2: 0.2, 4: 0.9, 6: 0.5}

    def validate(self: ImageClassifier, *batch: object) -> None:
        self.log("validation_accuracy", torch.tensor(scripted[self.global_step]))

    monkeypatch.setattr(ImageClassifier, "validation_step", validate)
    whole = small(tmp_path / "whole")
    step = getattr(ImageClassifier, during)

    def interrupted(self: ImageClassifier, *batch: object) -> Tensor | None:
        if self.global_step == 4:
            raise KeyError("power cut")
        return step(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(ImageClassifier, during, interrupted)
        with pytest.raises(KeyError, match="power cut"):
            small(tmp_path / "cut")
    resumed = small(tmp_path / "cut", resume=True)
    for run in ("whole", "cut"):
        assert torch.load(tmp_path / run / "best.ckpt", weights_only=True)["global_step"] == 4, run
    assert same_weights(whole, resumed)
    last = [torch.load(tmp_path / run / "last.ckpt", weights_only=True) for run in ("whole", "cut")]
    assert last[0]["global_step"] == last[1]["global_step"] == 6
    assert all(torch.equal(value, last[1]["state_dict"][name]) for name, value in last[0]["state_dict"].items())
