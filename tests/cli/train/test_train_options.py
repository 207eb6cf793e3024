"""Every trainer's settings, and those of the run, are options of its command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser

from wasserflow.cli import main
from wasserflow.cli.train import fdrl
from wasserflow.cli.train.classifier import train_classifier
from wasserflow.cli.train.clip import train_clip
from wasserflow.cli.train.corrector import train_corrector
from wasserflow.cli.train.critic import train_critic
from wasserflow.cli.train.feature_gan import train_mmd_gan, train_ocf_gan
from wasserflow.cli.train.gan import train_mlp_gan, train_sn_resnet_gan, train_sndcgan
from wasserflow.cli.train.glow import train_glow
from wasserflow.cli.train.vae import train_vae
from wasserflow.cli.train.vq import train_vq
from wasserflow.cli.train.wgan_gp import options_for, train_wgan_gp
from wasserflow.data.images import LabelledImages
from wasserflow.training import (
    classifier,
    clip,
    corrector,
    critic,
    feature_gan,
    fit_fdrl,
    glow,
    image_gan,
    vae,
    vq,
    wgan_gp,
)
from wasserflow.training.run import fit_run


@pytest.mark.parametrize(
    ("command", "trainer"),
    [
        (train_classifier, classifier.train_classifier),
        (train_clip, clip.train_clip),
        (train_critic, critic.refit_critic),
        (train_corrector, corrector.train_corrector),
        (train_sndcgan, image_gan.train_image_gan),
        (train_sn_resnet_gan, image_gan.train_image_gan),
        (train_mlp_gan, image_gan.train_image_gan),
        (train_vq, vq.train_vq),
        (train_vae, vae.train_vae),
        (train_glow, glow.train_glow),
        (train_wgan_gp, wgan_gp.train_wgan_gp),
        (train_mmd_gan, feature_gan.train_feature_gan),
        (train_ocf_gan, feature_gan.train_feature_gan),
        (fdrl.train_fdrl, fit_fdrl.train_fdrl),
    ],
)
def test_settings_of_the_trainer_are_options(command: Callable[..., Any], trainer: Callable[..., Any]) -> None:
    parser = ArgumentParser()
    parser.add_function_arguments(command)
    options = {action.dest: action for action in parser._actions}
    assert set(keywords(trainer)) - set(options) == set()
    of_run = keywords(fit_run)
    for name in ("precision", "accelerator", "resume", "progress"):
        assert options[name].help
        assert options[name].default == of_run[name]


def keywords(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {of.name: of.default for of in parameters if of.kind is inspect.Parameter.KEYWORD_ONLY}


def test_each_option_of_wgan_gp_is_one_of_points_or_of_images() -> None:
    parser = ArgumentParser()
    parser.add_function_arguments(train_wgan_gp)
    taken = {action.dest.split(".")[0] for action in parser._actions} - {"help", "out", "data", "seed"}
    assert taken - options_for("swissroll") - options_for("mnist") == set()
    assert {"width", "points"} <= options_for("swissroll") - options_for("mnist")
    assert {"channels", "noise_std"} <= options_for("mnist") - options_for("swissroll")


@pytest.mark.parametrize(
    ("command", "own"),
    [
        (train_classifier, {"callbacks", "validate_every"}),
        (train_clip, {"callbacks"}),
        (train_vq, {"callbacks", "validate_every"}),
        (train_critic, {"callbacks", "validate_every"}),
    ],
)
def test_what_a_trainer_gives_its_run_itself_is_no_option(command: Callable[..., Any], own: set[str]) -> None:
    parser = ArgumentParser()
    parser.add_function_arguments(command)
    assert own.isdisjoint(action.dest for action in parser._actions)


@pytest.mark.parametrize("words", ["fdrl --data 25gaussians --width 0", "wgan-gp --width 0", "wgan-gp --layers -1"])
def test_no_units_are_refused_and_not_taken_for_the_default(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    *others, name, value = words.split()
    with pytest.raises(SystemExit, match="2"):
        main(["train", *others, name, value, "--out", str(tmp_path / "run")])
    assert f"{name.removeprefix('--')} is {value}; give at least 1" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("network", ["cnn", "resnet"])
def test_a_network_of_images_needs_channels(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    few = LabelledImages(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    monkeypatch.setattr(fdrl, "images_of", lambda data, split: few)
    assert fdrl.setting_for("cifar10", network, 0, False, seed=0).network.arguments["width"] == 0
