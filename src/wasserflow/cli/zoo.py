"""`wasserflow zoo`."""

from __future__ import annotations

import shutil
import textwrap

from wasserflow.models import zoo as shipped
from wasserflow.models.pretrained import Card

_WIDTH = 100


def zoo() -> None:
    """List the shipped models: what they are, their size and data, what they are for and what was measured."""
    width = min(_WIDTH, shutil.get_terminal_size((_WIDTH, 0)).columns)
    for name in shipped.names():
        card = shipped.card(name)
        size = sum(file.stat().st_size for file in shipped.folder_of(name).rglob("*.safetensors"))
        print(f"{name:<20}{size / 2**20:>5.1f} MB   data: {card.data}")
        for line in _about(card):
            print(textwrap.fill(line, width, initial_indent="    ", subsequent_indent="      "))


def _about(card: Card) -> list[str]:
    numbers = (
        f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}" for key, value in card.metrics.items()
    )
    return [card.summary, _use(card), *numbers]


def _use(card: Card) -> str:
    """The command for a model, with the critics to choose from."""
    critics = [name for name in card.networks if name not in ("generator", "model")]
    if "generator" in card.networks:
        others = [name for name in critics if name != "critic"]
        chosen = f", or --critic {' or '.join(others)}" if others and "critic" in critics else ""
        return f"use: refine --model {card.name}" + (chosen if critics else " --critic <another model>")
    match card.networks["model"].make:
        case "FlowGuidedRatio":
            return f"use: {'translate' if card.translation else 'generate'} --model {card.name}"
        case "SmallResNet":
            return f"use: evaluate --features {card.name}, or generate --classifier {card.name}"
        case _:
            return f"use: wf.zoo.load({card.name!r})"
