"""What every trainer's command shares: networks by their recipes, and the model it leaves."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from wasserflow import models
from wasserflow.cli.names.images import IMAGE_SETS
from wasserflow.models.pretrained import Card, Recipe, save_pretrained
from wasserflow.seeds import global_stream


def built(seed: int, *recipes: Recipe) -> list[nn.Module]:
    """Build networks by names of `wasserflow.models`, their weights from one stream, one after another."""
    with global_stream(seed):
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
    used_by: str | None = None,
    **fields: Any,
) -> None:
    """Write a trained model in the place of the one that the run left before it was resumed, and say what uses it.

    Args:
        out: the run's folder; the model goes to its `model`.
        summary: what it is.
        data: what it was trained on.
        training: how.
        networks: how to build its networks.
        trained: the networks.
        used_by: the words of a command that come before the model; found by its networks if None.
        fields: others of the card.
    """
    command = shlex.join(["wasserflow", *sys.argv[1:]])
    card = Card(out.name, summary, data, command, training, networks, **fields)
    folder, made = out / "model", out / "model.new"
    shutil.rmtree(made, ignore_errors=True)
    save_pretrained(made, card, trained)
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)
    print(f"the model is in {folder}: wasserflow {used_by or _use(networks, data)} {folder} ...")


def _use(networks: Mapping[str, Recipe], data: str) -> str:
    if "critic" in networks:
        return "refine --model"
    return f"train corrector --model {IMAGE_SETS[data].pair if data in IMAGE_SETS else '<a pair>'} --generator"
