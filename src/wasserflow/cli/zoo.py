"""`wasserflow zoo`."""

from __future__ import annotations

import textwrap

from wasserflow.models import zoo as shipped
from wasserflow.models.pretrained import Card

_WIDTH = 100


def zoo() -> None:
    """List the shipped models: what they are, their size, their data and what was measured."""
    for name in shipped.names():
        card = shipped.card(name)
        size = sum(file.stat().st_size for file in shipped.folder_of(name).rglob("*.safetensors"))
        print(f"{name:<20}{size / 2**20:>5.1f} MB   data: {card.data}")
        for line in _about(card):
            print(textwrap.fill(line, _WIDTH, initial_indent="    ", subsequent_indent="      "))


def _about(card: Card) -> list[str]:
    return [card.summary, *(f"{key}: {value}" for key, value in card.metrics.items())]
