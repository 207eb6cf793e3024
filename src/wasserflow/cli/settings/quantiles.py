"""Stop the samples of a run at the log-ratios of real ones."""

from __future__ import annotations

import torch
from torch import Tensor

from wasserflow.cli.names.real_samples import as_floats, training_samples
from wasserflow.cli.settings.choices import DIVERGENCES, MethodOptions
from wasserflow.models.pretrained import Card
from wasserflow.potentials import Divergence
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Generator
from wasserflow.seeds import subseed
from wasserflow.spaces import Generated, PriorSpace
from wasserflow.stopping import Stop, match_quantiles

_REFERENCES = 2_000


def quantile_targets(card: Card, method: str, real: str | None, references: int | None) -> Tensor:
    """Read the real samples whose log-ratios are to be reached, as they are stored.

    Args:
        card: of the model.
        method: which is to be stopped.
        real: where they come from; None for what the model was trained on.
        references: how many.

    Raises:
        ValueError: another method than dgflow, or real samples that cannot be found or are too few.
    """
    if method != "dgflow":
        raise ValueError(f"match_quantiles is for dgflow, and method is {method}; leave it out")
    n = _REFERENCES if references is None else references
    if n < 2:
        raise ValueError(f"references is {n}; match_quantiles compares distributions: give some hundred")
    return training_samples(real, card.data, n, "match_quantiles", "or leave --match-quantiles out")


def quantile_rule(
    options: MethodOptions,
    critic: LogRatio,
    generator: Generator,
    prior: PriorSpace,
    targets: Tensor,
    device: torch.device,
) -> Stop:
    """Compare the log-ratios of real samples with those of as many generated ones.

    Args:
        options: say which divergence.
        critic: the log-ratio.
        generator: maps latents to samples.
        prior: where latents come from.
        targets: what `quantile_targets` gave.
        device: of the work.
    """
    # Of a seed of their own: the rule is the same for all samples of all runs.
    unrefined = Generated(generator, prior).sample(len(targets), subseed(0, "ranks"), device)
    energy = Divergence(DIVERGENCES[options.divergence or "kl"], critic)
    return match_quantiles(energy, as_floats(targets).to(device), unrefined)
