"""What every trainer's command shares: its images by name, and the model it leaves."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from wasserflow import models
from wasserflow.data.images import LabelledImages, Split, cifar10, mnist
from wasserflow.models.pretrained import Card, Recipe, save_pretrained

ImagesName = Literal["cifar10", "mnist"]


def images_of(data: ImagesName, split: Split) -> LabelledImages:
    """Read a data set by name."""
    return cifar10(split) if data == "cifar10" else mnist(split)


def mirrored(data: str, flips: bool | None) -> bool:
    """Whether to mirror half of the images: as asked, else where a mirrored image is one, unlike a digit."""
    return data == "cifar10" if flips is None else flips


def built(seed: int, *recipes: Recipe) -> list[nn.Module]:
    """Build networks by names of `wasserflow.models`, their weights from one stream, one after another."""
    # Initial weights come from torch's global stream, which is the caller's.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [getattr(models, recipe.make)(**recipe.arguments) for recipe in recipes]


def told(settings: Mapping[str, Any], **more: Any) -> str:
    """Settings in words, as a card keeps them."""
    shown = {name: value for name, value in {**settings, **more}.items() if name not in ("progress", "resume")}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def save_trained(
    out: Path,
    *,
    summary: str,
    data: str,
    training: str,
    networks: Mapping[str, Recipe],
    trained: Mapping[str, nn.Module],
    used_by: str = "refine",
    **fields: Any,
) -> None:
    """Write a trained model to `out/model`, and say which command uses it."""
    command = shlex.join(["wasserflow", *sys.argv[1:]])
    card = Card(out.name, summary, data, command, training, networks, **fields)
    save_pretrained(out / "model", card, trained)
    print(f"the model is in {out / 'model'}: wasserflow {used_by} --model {out / 'model'} --out ...")
