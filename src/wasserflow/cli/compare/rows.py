"""The rows of `wasserflow compare`: each method at its settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from wasserflow.cli.compare.flows import BaseRow, FlowRow
from wasserflow.cli.compare.proposals import ProposalRow
from wasserflow.cli.names.measures import POINTS
from wasserflow.cli.settings.choices import DivergenceName, MethodOptions
from wasserflow.cli.settings.inference import InferenceOptions
from wasserflow.models.pretrained import Card

ContenderName = Literal[
    "dgflow-kl",
    "dgflow-js",
    "dgflow-logd",
    "naive",
    "mala",
    "ddls",
    "dot",
    "gmi",
    "drs",
    "obrs",
    "mh-gan",
    "best-of-k",
]
Row = BaseRow | FlowRow | ProposalRow


@dataclass(frozen=True)
class Settings:
    """What a card has no settings for; the card has DGflow's, and gmi's where they were searched.

    Args:
        mala_step: h.
        ddls_step: h; it moves by h / 2 times the gradient.
        ddls_temperature: the square of the factor on its noise.
        dot_rate: Adam's learning rate.
        gmi_weights: λ1, λ2, λ3 of log q, log p and log p(c | x).

    Raises:
        ValueError: a step or a rate that is not positive, or a temperature below 0.
    """

    mala_step: float
    ddls_step: float
    ddls_temperature: float
    dot_rate: float
    gmi_weights: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name in ("mala_step", "ddls_step", "dot_rate"):
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise ValueError(f"{name} is {value}; give a positive number")
        if not 0 <= self.ddls_temperature < math.inf:
            raise ValueError(f"ddls_temperature is {self.ddls_temperature}; give a number of 0 or more")


# The best steps of cifar10-sndcgan by 300 samples of seed 1000 against cifar10-validation.
IMAGES = Settings(0.2, 0.1, 0.01, 0.05, InferenceOptions.weights)
# Published for DDLS and DOT in two dimensions; the others have steps of the same size.
POINT_SETTINGS = Settings(0.01, 0.01, 0.01, 0.01, (0.01, 0.01, 0.01))


def settings_for(card: Card, chosen: Mapping[str, object]) -> Settings:
    """The settings for a model, those chosen before its kind's own; None where left open."""
    kind = POINT_SETTINGS if card.data in POINTS else IMAGES
    return Settings(**{**vars(kind), **{name: value for name, value in chosen.items() if value is not None}})


def rows_of(names: Sequence[ContenderName], card: Card, settings: Settings, real: str | None) -> list[Row]:
    """Make the rows, the generator's own samples first.

    Args:
        names: which methods.
        card: of the model.
        settings: of the methods that the card says nothing of.
        real: where the real samples of gmi come from; None for what the model was trained on.

    Raises:
        ValueError: no names, or one twice.
    """
    if not names or len(set(names)) < len(names):
        raise ValueError(f"methods is {list(names)}; name at least one method, and each once")
    return [BaseRow(), *(_row(name, card, settings, real) for name in names)]


def _row(name: ContenderName, card: Card, settings: Settings, real: str | None) -> Row:
    space = card.refine.get("space", "latent")
    match name:
        case "dgflow-kl":
            return FlowRow("DGflow KL", _dgflow(card, "kl"))
        case "dgflow-js":
            return FlowRow("DGflow JS", _dgflow(card, "js"))
        case "dgflow-logd":
            return FlowRow("DGflow logD", _dgflow(card, "logd"))
        case "naive":
            return FlowRow("naive ascent", _dgflow(card, "kl", temperature=0.0))
        case "mala":
            return FlowRow("MALA", MethodOptions("mala", settings.mala_step, 1), calibrated=True)
        case "ddls":
            return FlowRow("DDLS", MethodOptions("ddls", settings.ddls_step, 1, settings.ddls_temperature))
        case "dot":
            return FlowRow("DOT", MethodOptions("dot", settings.dot_rate, 1, space=space))
        case "gmi":
            own = {"weights": settings.gmi_weights, "space": space, **card.refine.get("gmi", {})}
            return FlowRow("GMI", InferenceOptions.resolve({**own, "steps": 1, "real": real}))
        case "drs" | "obrs" | "mh-gan" | "best-of-k":
            return ProposalRow(name)


def _dgflow(card: Card, divergence: DivergenceName, **changes: float) -> MethodOptions:
    own = {name: card.refine[name] for name in ("step_size", "temperature", "space") if name in card.refine}
    return MethodOptions.resolve("dgflow", {**own, "divergence": divergence, "steps": 1, **changes})
