"""Every trainer's settings, and those of the run, are options of its command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from jsonargparse import ArgumentParser

from wasserflow.cli import (
    train,
    train_corrector,
    train_fdrl,
    train_feature_gan,
    train_gan,
    train_glow,
    train_vae,
    train_wgan_gp,
)
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
        (train.train_classifier, classifier.train_classifier),
        (train.train_clip, clip.train_clip),
        (train_gan.train_critic, critic.refit_critic),
        (train_corrector.train_corrector, corrector.train_corrector),
        (train_gan.train_sndcgan, image_gan.train_image_gan),
        (train_gan.train_sn_resnet_gan, image_gan.train_image_gan),
        (train_gan.train_mlp_gan, image_gan.train_image_gan),
        (train.train_vq, vq.train_vq),
        (train_vae.train_vae, vae.train_vae),
        (train_glow.train_glow, glow.train_glow),
        (train_wgan_gp.train_wgan_gp, wgan_gp.train_wgan_gp),
        (train_feature_gan.train_mmd_gan, feature_gan.train_feature_gan),
        (train_feature_gan.train_ocf_gan, feature_gan.train_feature_gan),
        (train_fdrl.train_fdrl, fit_fdrl.train_fdrl),
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
        if command is not train_wgan_gp.train_wgan_gp or name in ("resume", "progress"):
            assert options[name].default == of_run[name]


def keywords(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {of.name: of.default for of in parameters if of.kind is inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(
    ("command", "own"),
    [
        (train.train_classifier, {"checkpoint_every", "tensorboard", "callbacks", "validate_every"}),
        (train.train_clip, {"tensorboard", "callbacks"}),
        (train.train_vq, {"checkpoint_every", "tensorboard", "callbacks", "validate_every"}),
        (train_gan.train_critic, {"callbacks", "validate_every"}),
    ],
)
def test_what_a_trainer_gives_its_run_itself_is_no_option(command: Callable[..., Any], own: set[str]) -> None:
    parser = ArgumentParser()
    parser.add_function_arguments(command)
    assert own.isdisjoint(action.dest for action in parser._actions)
