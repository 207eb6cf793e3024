"""Settings out of range are refused before anything is written, to users of Python as to those of the commands."""

from __future__ import annotations

import importlib.util
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import wasserflow as wf
from wasserflow.checks import require_counts
from wasserflow.data.images import LabelledImages
from wasserflow.data.text import Alphabet
from wasserflow.data.toy import SwissRoll
from wasserflow.spaces import Normal
from wasserflow.training.classifier import train_classifier
from wasserflow.training.clip import train_clip
from wasserflow.training.critic import refit_critic
from wasserflow.training.fit_fdrl import train_fdrl
from wasserflow.training.glow import train_glow
from wasserflow.training.image_gan import train_image_gan
from wasserflow.training.mmd_gan import train_mmd_gan
from wasserflow.training.run import fit_run
from wasserflow.training.settings import require_adam, require_not_negative, require_positive
from wasserflow.training.text_gan import train_text_gan
from wasserflow.training.vae import train_vae
from wasserflow.training.vq import train_vq
from wasserflow.training.wgan_gp import train_wgan_gp

SHAPE: Any = {"image_size": 8, "image_channels": 1}


def images(channels: int = 1) -> torch.Tensor:
    return torch.zeros(40, channels, 8, 8, dtype=torch.uint8)


def labelled(channels: int = 1) -> LabelledImages:
    return LabelledImages(images(channels), torch.arange(40) % 2)


def pair() -> tuple[nn.Module, nn.Module, Normal]:
    return wf.models.UpconvGenerator(2, (4,), **SHAPE).eval(), wf.models.ConvEncoder(1, (4,), **SHAPE), Normal(2)


def classifier(out: Path, **options: Any) -> None:
    train_classifier(labelled(), labelled(), out, **{"epochs": 1, "batch_size": 8} | options)


def clip(out: Path, **options: Any) -> None:
    train_clip(labelled(3), labelled(3), [["a cat"], ["a dog"]], out, **{"iterations": 1, "batch_size": 8} | options)


def critic(out: Path, **options: Any) -> None:
    generator, judge, prior = pair()
    refit_critic(judge, generator, prior, images(), images(), out, **{"iterations": 1, "batch_size": 8} | options)


def fdrl(out: Path, **options: Any) -> None:
    network, settings = wf.models.mlp_ratio(width=4), {"iterations": 1, "batch_size": 8, "flow_steps": 1} | options
    train_fdrl(network, torch.zeros(40, 2), Normal(2), wf.Pearson(), wf.least_squares, out, **settings)


def glow(out: Path, **options: Any) -> None:
    flow = wf.models.Glow(**SHAPE, levels=1, depth=1, width=4)
    train_glow(flow, images(), images(), out, **{"iterations": 1, "batch_size": 8} | options)


def image_gan(out: Path, **options: Any) -> None:
    train_image_gan(*pair(), images(), out, **{"iterations": 1, "batch_size": 8} | options)


def mmd_gan(out: Path, **options: Any) -> None:
    train_mmd_gan(*pair(), images(), out, **{"iterations": 1, "batch_size": 8} | options)


def text_gan(out: Path, **options: Any) -> None:
    strings, settings = ["abcd"] * 80, {"width": 4, "iterations": 1, "batch_size": 8} | options
    train_text_gan(strings, strings, Alphabet.of(strings, 4), out, **settings)


def vae(out: Path, **options: Any) -> None:
    encoder, (decoder, _, _) = wf.models.ConvEncoder(4, (4,), **SHAPE), pair()
    settings = {"latent_dim": 2, "iterations": 1, "batch_size": 8} | options
    train_vae(encoder, decoder, settings.pop("latent_dim"), images(), out, **settings)


def vq(out: Path, **options: Any) -> None:
    train_vq(images(), images(), out, **{"codes": 4, "widths": (8, 8), "iterations": 1, "batch_size": 8} | options)


def wgan_gp(out: Path, **options: Any) -> None:
    train_wgan_gp(SwissRoll(), out, **{"width": 4, "iterations": 1, "batch_size": 8, "points": 80} | options)


TRAINERS = [classifier, clip, critic, fdrl, glow, image_gan, mmd_gan, text_gan, vae, vq, wgan_gp]
NEEDS = {clip: "transformers", vq: "diffusers", glow: "normflows"}
# Each trainer's own; what all have in common comes below.
OUT_OF_RANGE: list[tuple[Callable[..., None], str, Any]] = [
    (classifier, "epochs", 0),
    (classifier, "batch_size", 41),
    (classifier, "widths", []),
    (classifier, "width", {"widths": (8, 0)}),
    (classifier, "radius", -1.0),
    (classifier, "attack_steps", 0),
    (clip, "weight_decay", -1.0),
    (clip, "width", 0),
    (clip, "width", 20),
    (clip, "patch_size", 0),
    (clip, "patch_size", 9),
    (clip, "validate_every", 0),
    (critic, "r1", -1.0),
    (critic, "r2", -1.0),
    (critic, "noise_std", -1.0),
    (critic, "penalty_every", 0),
    (critic, "decay", 1.0),
    (fdrl, "flow_steps", -1),
    (fdrl, "step_size", 0.0),
    (fdrl, "noise_std", math.nan),
    (fdrl, "r2", math.inf),
    (fdrl, "betas", (0.9, 1.0)),
    (glow, "max_norm", 0.0),
    (glow, "snapshot_every", 0),
    (glow, "validate_every", 0),
    (image_gan, "r1", -1.0),
    (image_gan, "noise_std", -1.0),
    (image_gan, "penalty", -1.0),
    (image_gan, "critic_steps", 0),
    (image_gan, "betas", (-0.5, 0.9)),
    (image_gan, "snapshot_every", 0),
    (image_gan, "snapshot_every", -1),
    (mmd_gan, "penalty", -1.0),
    (mmd_gan, "snapshot_every", 0),
    (text_gan, "width", 0),
    (text_gan, "latent_dim", 0),
    (text_gan, "critic_steps", 0),
    (text_gan, "penalty", -1.0),
    (text_gan, "decay", 2.0),
    (text_gan, "measure_every", 0),
    (vae, "latent_dim", 0),
    (vae, "std", 0.0),
    (vae, "snapshot_every", 0),
    (vq, "codes", 0),
    (vq, "latent_channels", 0),
    (vq, "widths", ()),
    (vq, "widths", (8, 12)),
    (vq, "commitment", -1.0),
    (vq, "continuous", -1),
    (wgan_gp, "width", 0),
    (wgan_gp, "layers", 0),
    (wgan_gp, "layers", -1),
    (wgan_gp, "penalty", -1.0),
    (wgan_gp, "points", 0),
]
TRAINERS = (classifier, clip, critic, fdrl, glow, image_gan, mmd_gan, text_gan, vae, vq, wgan_gp)
WITHOUT = {"lr": {wgan_gp}, "checkpoint_every": {classifier, vq}, "iterations": {classifier}}
SHARED = [("lr", -1.0), ("checkpoint_every", 0), ("iterations", 0), ("batch_size", 0), ("batch_size", -8)]
OUT_OF_RANGE += [
    (train, name, value) for train in TRAINERS for name, value in SHARED if train not in WITHOUT.get(name, ())
]


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize(("train", "name", "value"), OUT_OF_RANGE, ids=lambda of: getattr(of, "__name__", str(of)))
def test_a_setting_out_of_range_is_refused_before_anything_is_written(
    train: Callable[..., None], name: str, value: Any, tmp_path: Path
) -> None:
    if train in NEEDS and importlib.util.find_spec(NEEDS[train]) is None:
        pytest.skip(f"needs {NEEDS[train]}")
    options = value if isinstance(value, dict) else {name: value}
    shared = {"progress": False, "accelerator": "cpu"} if train is not wgan_gp else {"progress": False}
    shown = "empty" if value == [] else "" if isinstance(value, dict) else value
    with pytest.raises(ValueError, match=rf"\b{name} is .*") as refusal:
        train(tmp_path / "run", **shared, **options)
    assert str(shown) in str(refusal.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize("value", [2.5, True, "3", None])
def test_a_count_is_an_int(value: Any) -> None:
    with pytest.raises(TypeError, match=r"steps is .*; give an int"):
        require_counts(steps=value)


@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
def test_numbers_are_finite_and_have_a_sign(value: float) -> None:
    with pytest.raises(ValueError, match=r"weight is .*; give 0 or more"):
        require_not_negative(weight=value)
    with pytest.raises(ValueError, match=r"lr is .*; give 0 or more"):
        require_adam(value, (0.5, 0.9))
    with pytest.raises(ValueError, match=r"width is .*; give a number above 0"):
        require_positive(width=value)


def test_the_ends_of_the_ranges() -> None:
    require_counts(n=1)
    require_counts(0, n=0)
    require_not_negative(weight=0)
    require_adam(0.0, (0.0, 0.999))
    with pytest.raises(ValueError, match="width is 0; give a number above 0"):
        require_positive(width=0)
    with pytest.raises(ValueError, match=r"betas is \(0\.5, 1\.0\); give two numbers from 0 to below 1"):
        require_adam(0.1, (0.5, 1.0))


@pytest.mark.parametrize("train", TRAINERS)
def test_every_trainer_takes_every_option_of_a_run(train: Callable[..., None], tmp_path: Path) -> None:
    if train in NEEDS:
        pytest.importorskip(NEEDS[train])
    defaults = {name: option.default for name, option in inspect.signature(fit_run).parameters.items()}
    run = {name: value for name, value in defaults.items() if value not in (inspect.Parameter.empty, ())}
    train(tmp_path / "run", **run | {"accelerator": "cpu", "progress": False, "checkpoint_every": 1})
    assert (tmp_path / "run" / "last.ckpt").is_file()
