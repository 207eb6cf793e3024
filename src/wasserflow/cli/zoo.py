"""`wasserflow zoo`."""

from __future__ import annotations

from wasserflow.models import zoo as shipped
from wasserflow.reports import format_table


def zoo() -> None:
    """List the shipped models: what they are, their size, their data and what was measured."""
    rows = []
    for name in shipped.names():
        card = shipped.card(name)
        size = sum(file.stat().st_size for file in shipped.folder_of(name).rglob("*.safetensors"))
        metrics = ", ".join(f"{key} {value}" for key, value in card.metrics.items())
        rows.append([name, f"{size / 2**20:.1f} MB", card.data, card.summary, metrics])
    print(format_table(["model", "size", "data", "what", "measured"], rows))
