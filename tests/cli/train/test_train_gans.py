"""`wasserflow train` for the GANs of images: models that refine, evaluate and train corrector read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.train import feature_gan, gan, wgan_gp
from wasserflow.data.images import LabelledImages

SHORT = "--iterations 2 --batch-size 4 --checkpoint-every 1 --snapshot-every 2 --progress false --accelerator cpu"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    def images_of(data: str, split: str) -> LabelledImages:
        shape = (3, 32, 32) if data == "cifar10" else (1, 28, 28)
        return LabelledImages(torch.randint(0, 256, (24, *shape), dtype=torch.uint8), torch.zeros(24, dtype=torch.long))

    for module in (feature_gan, gan, wgan_gp):
        monkeypatch.setattr(module, "images_of", images_of)


def trained(out: Path, words: str) -> wf.models.pretrained.Pretrained:
    main(["train", *words.split(" "), *SHORT.split(" "), "--out", str(out)])
    assert (out / "samples" / "samples-2.png").is_file()
    return wf.zoo.load(out / "model")


@pytest.mark.parametrize("name", ["mmd-gan", "ocf-gan"])
@pytest.mark.parametrize("data", ["cifar10", "mnist"])
@pytest.mark.usefixtures("few")
def test_vector_critics(name: str, data: str, tmp_path: Path) -> None:
    model = trained(tmp_path / "run", f"{name} --data {data} --width 4 --features 3 --critic-steps 2")
    images = model.generator(model.prior.sample(2, seed=0))
    assert images.shape == ((2, 3, 32, 32) if data == "cifar10" else (2, 1, 28, 28))
    assert model.networks["vector_critic"](images).shape == (2, 3)
    assert model.prior.shape == (32,)
    assert f"flips {data == 'cifar10'}" in model.card.training
    assert model.card.refine == {"features": f"{data}-resnet"}
    assert "critic_steps 2" in model.card.training


@pytest.mark.parametrize("data", ["cifar10", "mnist"])
@pytest.mark.usefixtures("few")
def test_wgan_gp_of_images(data: str, tmp_path: Path) -> None:
    model = trained(tmp_path / "run", f"wgan-gp --data {data} --channels 16 --critic-channels 16 --penalty 3")
    images = model.generator(model.prior.sample(2, seed=0))
    assert images.shape == ((2, 3, 32, 32) if data == "cifar10" else (2, 1, 28, 28))
    assert model.critic(images).flatten().shape == (2,)
    assert "penalty 3" in model.card.training
    assert "parametrizations" not in str(list(model.critic.state_dict()))


@pytest.mark.usefixtures("few")
def test_sn_resnet_gan(tmp_path: Path) -> None:
    model = trained(tmp_path / "run", "sn-resnet-gan --channels 8 --critic-channels 8 --critic-steps 2")
    assert model.critic(model.generator(model.prior.sample(2, seed=0))).shape == (2,)
    assert "hinge loss" in model.card.summary
    assert "critic_steps 2" in model.card.training


@pytest.mark.usefixtures("few")
def test_a_generator_without_critic_is_refined_by_another_and_given_one(images: str, tmp_path: Path) -> None:
    trained(tmp_path / "run", "mmd-gan --width 4 --features 3 --critic-steps 1")
    alone = tmp_path / "run" / "model"
    card = json.loads((alone / "card.json").read_text())
    pair = json.loads((Path(images) / "card.json").read_text())
    card["data"] = pair["data"]
    (alone / "card.json").write_text(json.dumps(card))
    small = ["--n", "4", "--steps", "2", "--features", pair["refine"]["features"], "--progress", "false"]
    main(["refine", "--model", str(alone), "--critic", images, "--out", str(tmp_path / "crude"), *small])
    arrays = np.load(tmp_path / "crude" / "samples.npz")
    assert arrays["before"].shape == (4, 32, 32, 3)
    words = ["--model", images, "--generator", str(alone), "--iterations", "2", "--batch-size", "4"]
    words += ["--progress", "false"]
    main(["train", "corrector", "--out", str(tmp_path / "corrected"), *words])
    corrected = wf.zoo.load(tmp_path / "corrected" / "model")
    assert corrected.critic(corrected.generator(corrected.prior.sample(2, seed=0))).flatten().shape == (2,)


def test_refusals(tmp_path: Path, few: None, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in [
        (
            "wgan-gp --data cifar10 --points 100",
            "points is 100, but training on cifar10 has no such option; leave it out",
        ),
        ("wgan-gp --data swissroll --channels 8", "channels is 8, but training on swissroll has no such option"),
        ("mmd-gan --bandwidths [0.0]", "bandwidths are [0.0]; give at least one, all positive"),
        ("ocf-gan --frequency-scale 0", "scale is 0.0; it must be positive"),
        ("sn-resnet-gan --data mnist", "--data is mnist; give cifar10"),
        ("wgan-gp --data cifar10 --critic-steps 0", "critic_steps is 0"),
    ]:
        with pytest.raises(SystemExit):
            main(["train", *words.split(" "), "--out", str(tmp_path / "run"), "--batch-size", "4"])
        assert message in capsys.readouterr().err, words
