"""Table 5 of DGflow: its rows as published, and how they are run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wasserflow.cli.names.texts import storing
from wasserflow.cli.settings.choices import DivergenceName, MethodOptions
from wasserflow.data.text import Alphabet
from wasserflow.models import prepare
from wasserflow.models.pretrained import Pretrained
from wasserflow.reports import format_table, spread, spread_text
from wasserflow.seeds import sample_seeds

METRICS = ("js4", "js6")
STEP_SIZE, STEPS = 0.1, 50  # Ansari et al. (2021), appendix D.3
_BATCH = 500


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Args:
        label: its name.
        published: the paper's JS-4 and JS-6.
        options: how it is run here; None where nothing is refined.
    """

    label: str
    published: tuple[float, float]
    options: MethodOptions | None = None


BASE = Row("WGAN-GP", (0.224, 0.574))
_REFINED: dict[DivergenceName, tuple[str, tuple[float, float]]] = {
    "kl": ("KL", (0.212, 0.512)),
    "js": ("JS", (0.186, 0.508)),
    "logd": ("logD", (0.209, 0.506)),
}


def table_5(step_size: float, steps: int) -> list[Row]:
    """Give the rows at the published settings, and at others where these differ.

    Args:
        step_size: h of the other rows.
        steps: updates in the other rows.
    """
    settings = dict.fromkeys([(STEP_SIZE, STEPS), (step_size, steps)])
    refined = [
        Row(f"DGflow {label}, {n} x {h:g}", published, MethodOptions("dgflow", h, n, 0.0, divergence))
        for h, n in settings
        for divergence, (label, published) in _REFINED.items()
    ]
    return [BASE, *refined]


class Writer:
    """Writes a model's strings, refined or not, always of the same latents for a seed.

    Args:
        pair: a model of text.
        n: strings a seed.
        precision: of its matrix products and convolutions; None for full.

    Raises:
        ValueError: no generator of strings.
    """

    def __init__(self, pair: Pretrained, n: int, precision: torch.dtype | None = None) -> None:
        assert pair.prior is not None
        if not pair.card.alphabet:
            raise ValueError(f"{pair.card.name} is a model of {pair.card.data}; give a generator and critic of text")
        self.prior, self.n = pair.prior, n
        self._store = storing(Alphabet(pair.card.alphabet))
        self._generator, self._critic = prepare(pair.generator, pair.critic, precision=precision)

    def strings(self, options: MethodOptions | None, seed: int) -> np.ndarray:
        """Write n strings, refined as the options say."""
        run = options.runner(self._generator, self._critic, self.prior) if options else None
        written = []
        for group in sample_seeds(seed, self.n).split(_BATCH):
            latents = self.prior.sample(len(group), group)
            if run:
                latents = run(latents, seed=group).particles
            with torch.no_grad():
                written.append(self._store(self._generator(latents)))
        return np.concatenate(written)


def summary(rows: Sequence[Row], measured: Mapping[str, Sequence[Mapping[str, float]]]) -> list[dict[str, Any]]:
    """Put the paper's numbers and changes beside ours over the seeds.

    Args:
        rows: the table, unrefined samples first.
        measured: label -> the numbers of each seed.
    """
    table = []
    for row in rows:
        line: dict[str, Any] = {"row": row.label}
        for metric, paper, paper_base in zip(METRICS, row.published, BASE.published, strict=True):
            values, base = ([numbers[metric] for numbers in measured[label]] for label in (row.label, BASE.label))
            line[metric] = {
                "published": paper,
                "published_change_percent": None if row is BASE else 100 * (paper / paper_base - 1),
                "measured": spread(values),
                "change_percent": None
                if row is BASE
                else spread([100 * (after / before - 1) for before, after in zip(base, values, strict=True)]),
            }
        table.append(line)
    return table


def printed(table: Sequence[Mapping[str, Any]]) -> str:
    """Lay out a summary as text."""
    lines = []
    for line in table:
        cells: list[object] = [line["row"]]
        for metric in METRICS:
            numbers = line[metric]
            change = numbers["published_change_percent"]
            cells += [f"{numbers['published']:.3f}", None if change is None else f"{change:+.1f} %"]
            cells += [spread_text(numbers["measured"], 4), spread_text(numbers["change_percent"], 1, "+", " %")]
        lines.append(cells)
    header = [f"{name}, {what}" for name in ("JS-4", "JS-6") for what in ("paper", "change", "ours", "change")]
    return format_table(["method", *header], lines)
