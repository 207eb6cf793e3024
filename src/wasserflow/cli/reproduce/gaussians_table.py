"""Table 1 of DGflow: its rows as published, and one repeat of it measured on a pair."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wasserflow.cli.settings.choices import DivergenceName, MethodOptions
from wasserflow.data.toy import Gaussians25
from wasserflow.metrics.toy import high_quality_fraction, kde_score, wasserstein2
from wasserflow.models.pretrained import Pretrained
from wasserflow.reports import format_table, spread_text
from wasserflow.seeds import Noise, sample_seeds

DATA = Gaussians25()
TRAINING_POINTS, TRAINING_SEED = 100_000, 0  # the training set of the shipped pair
KDE_POINTS = 5_000
W2_POINTS = 2_000
METRICS = ("high_quality_percent", "kde_score", "wasserstein2")

Scores = dict[str, float]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Args:
        label: its name.
        published: metric -> the paper's number; empty where the paper has none.
        options: the published settings of the method; None where nothing is refined.
    """

    label: str
    published: Mapping[str, float]
    options: MethodOptions | None = None


def _dgflow(divergence: DivergenceName) -> MethodOptions:
    return MethodOptions("dgflow", step_size=0.01, steps=100, temperature=0.01, divergence=divergence, space="data")


def _published(high_quality_percent: float, score: float) -> dict[str, float]:
    return {"high_quality_percent": high_quality_percent, "kde_score": score}


# Ansari et al. (2021), table 1 and appendix D.1. DDLS scales its noise by 0.1: a temperature of 0.01.
DOT = MethodOptions("dot", step_size=0.01, steps=100, space="data")
DDLS = MethodOptions("ddls", step_size=0.01, steps=50, temperature=0.01, space="latent")
BASE = Row("GAN", _published(26.5, -7037))
REFINED = (
    Row("DOT", _published(69.8, -4149), DOT),
    Row("DDLS", _published(89.3, -2997), DDLS),
    Row("DGflow KL", _published(89.5, -2893), _dgflow("kl")),
    Row("DGflow JS", _published(82.6, -3118), _dgflow("js")),
    Row("DGflow logD", _published(84.5, -3036), _dgflow("logd")),
)
# What a perfect generator would score.
TRUE = Row("true samples", {})
ROWS = (BASE, *REFINED, TRUE)


@dataclass(frozen=True, eq=False)
class Repeat:
    """One repeat of the table.

    Args:
        samples: row -> (n, 2) samples.
        scores: row -> its numbers.
        evaluations: gradient evaluations spent on all rows together.
    """

    samples: dict[str, Tensor]
    scores: dict[str, Scores]
    evaluations: int


def run_repeat(pair: Pretrained, n: int, seed: int, number: int, done: Callable[[str], object]) -> Repeat:
    """Draw fresh samples, refine them by every method and measure each.

    Args:
        pair: generator, critic and prior.
        n: how many samples.
        seed: of the whole table.
        number: which repeat, from 0.
        done: called with each row's label once it is measured.

    Returns:
        Samples, numbers and cost.
    """
    assert pair.prior is not None
    flow_seed, subset_seed, fresh_seed, true_seed = repeat_seeds(seed, number)
    score = _scorer(subset_seed, fresh_seed)
    latents = pair.prior.sample(n, flow_seed)
    with torch.no_grad():
        base = pair.generator(latents)
    samples, scores, evaluations = {}, {}, 0
    for row in ROWS:
        if row.options is not None:
            run = row.options.runner(pair.generator, pair.critic, pair.prior)
            start = latents if row.options.space == "latent" else base
            result = run(start, seed=sample_seeds(flow_seed, n))
            samples[row.label] = result.samples
            evaluations += result.evaluations
        else:
            samples[row.label] = base if row is BASE else DATA.sample(n, true_seed)
        scores[row.label] = score(samples[row.label])
        done(row.label)
    return Repeat(samples, scores, evaluations)


def repeat_seeds(seed: int, number: int) -> list[int]:
    """Seeds of the flow, of the training points, of the fresh points and of the true samples of a repeat."""
    stream = Noise(sample_seeds(seed, number + 1)[number:], step=0)
    return [int(stream.integers(stream=index)) for index in range(4)]


def _scorer(subset_seed: int, fresh_seed: int) -> Callable[[Tensor], Scores]:
    order = torch.randperm(TRAINING_POINTS, generator=torch.Generator().manual_seed(subset_seed))
    training = DATA.sample(TRAINING_POINTS, TRAINING_SEED)[order[:KDE_POINTS]]
    fresh = DATA.sample(W2_POINTS, fresh_seed)

    def score(samples: Tensor) -> Scores:
        few = samples[:W2_POINTS]
        return {
            "high_quality_percent": 100 * high_quality_fraction(samples, DATA.means, DATA.std),
            "kde_score": kde_score(samples, training),
            "wasserstein2": wasserstein2(few, fresh[: len(few)]),
        }

    return score


def summary(repeats: Sequence[Mapping[str, Scores]]) -> list[dict[str, Any]]:
    """Put the paper's numbers beside the mean and standard deviation of ours over the repeats.

    Args:
        repeats: the scores of each repeat, at least one.

    Returns:
        For each row `method`, `published` and `measured`; no standard deviation (None) of a single repeat.
    """
    rows = []
    for row in ROWS:
        measured = {}
        for metric in METRICS:
            values = [scores[row.label][metric] for scores in repeats]
            spread = statistics.stdev(values) if len(values) > 1 else None
            measured[metric] = {"mean": statistics.fmean(values), "std": spread}
        rows.append({"method": row.label, "published": dict(row.published), "measured": measured})
    return rows


def printed(table: Sequence[Mapping[str, Any]]) -> str:
    """Lay out a summary as text."""
    header = ["method", "HQ %, paper", "HQ %, ours", "KDE, paper", "KDE, ours", "W2, ours"]
    digits = {"high_quality_percent": 1, "kde_score": 0, "wasserstein2": 4}
    rows = []
    for row in table:
        cells = []
        for metric, places in digits.items():
            if metric in BASE.published:
                paper = row["published"].get(metric)
                cells.append(None if paper is None else f"{paper:.{places}f}")
            cells.append(spread_text(row["measured"][metric], places))
        rows.append([row["method"], *cells])
    return format_table(header, rows)
