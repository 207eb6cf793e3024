"""`wasserflow train vae`: a generator without a critic, for which other commands find one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from borrowing import check_borrowing

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.train import vae
from wasserflow.data.images import LabelledImages

TRAIN = "--iterations 2 --checkpoint_every 1 --batch_size 8 --width 4 --latent_dim 5 --progress false --accelerator cpu"


def train(out: Path, data: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    shape = (1, 28, 28) if data == "mnist" else (3, 32, 32)
    few = LabelledImages(torch.randint(0, 256, (20, *shape), dtype=torch.uint8), torch.arange(20) % 10)
    monkeypatch.setattr(vae, "images_of", lambda data, split: few)
    main(["train", "vae", "--out", str(out), "--data", data, *TRAIN.split(" "), *words])


@pytest.mark.parametrize("data", ["mnist", "cifar10"])
def test_the_trained_model_is_read_back(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path / "run", data, monkeypatch, "--std", "0.5")
    first, use = capsys.readouterr().out.split("the model is in")
    metrics, folder = json.loads(first), tmp_path / "run" / "model"
    model = wf.zoo.load(folder)
    lender = {"mnist": "mnist-gan", "cifar10": "cifar10-sndcgan"}[data]
    assert f"wasserflow train corrector --model {lender} --generator {folder} ..." in use
    with pytest.raises(SystemExit):
        main(["refine", "--model", str(folder), "--out", str(tmp_path / "refined")])
    assert "run has no critic; name another model's with --critic" in capsys.readouterr().err
    assert model.card.metrics["KL, nats, validation"] == metrics["KL, nats"]
    assert model.card.metrics["std of a pixel"] == 0.5
    assert f"flips {data == 'cifar10'}" in model.card.training
    assert sorted(model.networks) == ["encoder", "generator"]
    x = model.generator(model.prior.sample(2, seed=0))
    assert x.shape[1:] == ((1, 28, 28) if data == "mnist" else (3, 32, 32))
    assert model.networks["encoder"](x).shape == (2, 10)
    # What was trained, not what it started from.
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    for name, value in model.generator.state_dict().items():
        torch.testing.assert_close(value, state[f"decoder.{name}"])


def test_it_is_refined_by_the_critic_of_another_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path / "run", "cifar10", monkeypatch)
    check_borrowing(str(tmp_path / "run" / "model"), tmp_path)
