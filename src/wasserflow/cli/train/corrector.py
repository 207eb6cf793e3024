"""`wasserflow train corrector`: a critic for a generator that has none, by way of a pair that has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wasserflow.cli.names.pairs import generator_named
from wasserflow.cli.train.saving import save_trained, told
from wasserflow.models.pretrained import Pretrained, Recipe
from wasserflow.ratios import telescope
from wasserflow.spaces import Generated
from wasserflow.training.corrector import train_corrector as fit


def train_corrector(out: Path, model: str, generator: str, critic: str = "critic", **settings: Any) -> None:
    """Correct the critic of a pair for another generator, and leave that generator with a critic.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        model: The pair whose critic is corrected, a shipped model or a folder.
        generator: The model whose generator has no critic, trained on the same data.
        critic: Which network of the pair begins.
        settings: Of the trainer.
    """
    pair, other = generator_named(model), generator_named(generator)
    if critic not in pair.networks or critic == "generator":
        raise ValueError(f"critic is {critic}; {model} has {', '.join(sorted(set(pair.networks) - {'generator'}))}")
    if pair.card.data != other.card.data:
        raise ValueError(
            f"{model} was trained on {pair.card.data} and {generator} on {other.card.data}; give models of one"
        )
    judge, recipe = pair.networks[critic], pair.card.networks[critic]
    corrector = fit(judge, _samples(pair).sample, _samples(other).sample, out, **settings)
    assessment = json.loads((out / "assessment.json").read_text(encoding="utf-8"))
    print(json.dumps(assessment, indent=2))
    auc = assessment["after"]["auc"]
    save_trained(
        out,
        summary=f"{other.card.summary}; judged by the critic of {pair.card.name}, corrected for this generator",
        data=other.card.data,
        training=f"generator: {other.card.command} ({other.card.training}); pair: {pair.card.command}; "
        f"then the corrector: {told(settings)}",
        networks={
            "generator": other.card.networks["generator"],
            "critic": Recipe("Telescoped", {"critic": recipe, "corrector": recipe}),
            "uncorrected": recipe,
        },
        trained={"generator": other.generator, "critic": telescope(judge, corrector), "uncorrected": judge},
        prior=other.card.prior,
        refine={**pair.card.refine, **other.card.refine},
        metrics={"corrector, held-out AUC between the generators": round(auc, 4)},
        limits="the two generators are trivially separable: the ratio is unreliable" if auc > 0.99 else "",
    )


def _samples(model: Pretrained) -> Generated:
    assert model.prior is not None
    return Generated(model.generator, model.prior)
