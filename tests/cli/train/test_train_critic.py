"""`wasserflow train critic`: what it refuses before anything is written, and a generator that had no critic."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import critic_of_cifar10, feature_net, grey_classifier, toy_pair

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.train import critic
from wasserflow.data.images import LabelledImages
from wasserflow.models import SNDCGANGenerator
from wasserflow.models.pretrained import Card, Recipe, save_pretrained


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    def images_of(data: str, split: str) -> LabelledImages:
        shape = (3, 32, 32) if data == "cifar10" else (1, 28, 28)
        return LabelledImages(torch.randint(0, 256, (24, *shape), dtype=torch.uint8), torch.zeros(24, dtype=torch.long))

    monkeypatch.setattr(critic, "images_of", images_of)


def generator_alone(folder: Path) -> str:
    recipe = Recipe("SNDCGANGenerator", {"channels": 8, "latent_dim": 4})
    card = Card("alone", "untrained", "cifar10", "none", "none", {"generator": recipe}, Recipe("Normal", {"shape": 4}))
    save_pretrained(folder, card, {"generator": SNDCGANGenerator(8, latent_dim=4)})
    return str(folder)


@pytest.mark.parametrize(
    ("model", "words", "named"),
    [
        ("classifier", "", "has no generator of latents"),
        ("points", "", "makes samples of shape (2,), images of cifar10 have (3, 32, 32)"),
        ("pair", "--data mnist", "makes samples of shape (3, 32, 32), images of mnist have (1, 28, 28)"),
        ("alone", "", "alone has no critic to begin with"),
        ("pair", "--backbone pair", "backbone is pair, which is no SmallResNet"),
        ("pair", "--backbone grey", "backbone is grey, but the critic takes no samples of shape (3, 32, 32)"),
    ],
)
def test_refusals_leave_nothing(tmp_path: Path, capsys, monkeypatch, model: str, words: str, named: str) -> None:
    monkeypatch.chdir(tmp_path)
    feature_net(tmp_path / "classifier")
    toy_pair(tmp_path / "points")
    critic_of_cifar10(tmp_path / "pair")
    generator_alone(tmp_path / "alone")
    grey_classifier(tmp_path / "grey")
    with pytest.raises(SystemExit) as stop:
        main(["train", "critic", "--model", model, *words.split(), "--out", "run"])
    assert stop.value.code == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_generator_without_a_critic_gets_one(tmp_path: Path) -> None:
    words = ["--critic-channels", "8", "--iterations", "2", "--batch-size", "4", "--progress", "false"]
    main(["train", "critic", "--model", generator_alone(tmp_path / "alone"), *words, "--out", str(tmp_path / "run")])
    pair = wf.zoo.load(tmp_path / "run" / "model")
    assert pair.critic(pair.generator(pair.prior.sample(2, seed=0))).shape == (2,)
