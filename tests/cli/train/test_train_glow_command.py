"""`wasserflow train glow`: a generator without a critic, for which other commands find one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from borrowing import check_borrowing

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.train import glow
from wasserflow.data.images import LabelledImages

pytest.importorskip("normflows")

TRAIN = "--iterations 2 --checkpoint_every 1 --batch_size 8 --width 4 --depth 1 --progress false --accelerator cpu"


def train(out: Path, data: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    shape = (1, 28, 28) if data == "mnist" else (3, 32, 32)
    few = LabelledImages(torch.randint(0, 256, (20, *shape), dtype=torch.uint8), torch.arange(20) % 10)
    monkeypatch.setattr(glow, "images_of", lambda data, split: few)
    main(["train", "glow", "--out", str(out), "--data", data, *TRAIN.split(" "), *words])


@pytest.mark.parametrize("data", ["mnist", "cifar10"])
def test_the_trained_model_is_read_back(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path / "run", data, monkeypatch, "--temperature", "0.7")
    metrics = json.loads(capsys.readouterr().out.split("the model is in")[0])
    model = wf.zoo.load(tmp_path / "run" / "model")
    assert model.card.metrics == metrics
    assert f"flips {data == 'cifar10'}" in model.card.training
    assert model.generator.temperature == 0.7
    x = model.generator(model.prior.sample(2, seed=0))
    assert x.shape[1:] == ((1, 28, 28) if data == "mnist" else (3, 32, 32))
    # What was trained, not what it started from.
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    for name, value in model.generator.state_dict().items():
        torch.testing.assert_close(value, state[f"glow.{name}"])


def test_it_is_refined_by_the_critic_of_another_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path / "run", "cifar10", monkeypatch)
    check_borrowing(str(tmp_path / "run" / "model"), tmp_path)


def test_no_levels_are_refused_and_not_taken_for_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        train(tmp_path / "run", "mnist", monkeypatch, "--levels", "0")
    assert "levels is 0; give at least 1" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
