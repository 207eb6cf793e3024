"""Steering a generator by text: ascent on CLIP alone, and with the term that keeps samples apart, at equal fit."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wasserflow.cli.names.measures import classifier_of
from wasserflow.data.captions import CIFAR10_NAMES
from wasserflow.data.images import cifar10, to_float
from wasserflow.densities import KernelDensity, MedianBandwidth, layer_features
from wasserflow.divergences import KL
from wasserflow.flow import iterate
from wasserflow.integrators import EulerMaruyama
from wasserflow.methods import gmi
from wasserflow.metrics import extract_features, neighbour_metrics
from wasserflow.models import ClipEncoder, prepare
from wasserflow.models.pretrained import Pretrained
from wasserflow.potentials import ClipLogProbability, ClipSimilarity, Divergence, Pullback
from wasserflow.reports import format_table

BASE, ALONE, APART = "no guidance", "CLIP alone", "with repulsion"
ROWS = (BASE, ALONE, APART)
PROMPTS = tuple(f"a photo of {own[0]}" for own in CIFAR10_NAMES)
METRICS = {
    "log_probability": ("log p(c|x)", 3),
    "clip_score": ("CLIP score", 2),
    "asked_percent": ("asked class, %", 1),
    "pairwise_distance": ("pair distance", 3),
    "asked_distance": ("of the asked class", 3),
    "coverage": ("coverage", 3),
    "steps": ("steps", 0),
}
REFERENCES = 500
_PATIENCE = 3

Scores = dict[str, float]


@dataclass(frozen=True)
class Guidance:
    """The settings of the flows.

    Args:
        likelihood: λ3, the weight of log p(c|x), with the step size in it.
        repulsion: λ1, the weight of log q in the critic's penultimate features, with the step size in it.
        steps: of the flow with λ1. The other takes as many as reach its mean log p(c|x), at most three times these.
    """

    likelihood: float
    repulsion: float
    steps: int


@dataclass(frozen=True, eq=False)
class Steered:
    """The rows of one prompt.

    Args:
        samples: row -> images.
        scores: row -> its numbers.
        evaluations: gradient evaluations spent.
    """

    samples: dict[str, Tensor]
    scores: dict[str, Scores]
    evaluations: int


class TextSteering:
    """Steers the same latents towards one prompt after another.

    Args:
        pair: the generator, its prior, and its critic, whose features tell samples apart.
        clip: steers; p(c|x) is the softmax over the prompts of all classes of CIFAR-10.
        guidance: the settings of the flows.
        n: samples a row.
        seed: draws the latents.
    """

    def __init__(self, pair: Pretrained, clip: ClipEncoder, guidance: Guidance, n: int, seed: int) -> None:
        assert pair.prior is not None
        self.generator, critic = prepare(pair.generator, pair.critic)
        self.features = layer_features(critic)
        self.clip, self.guidance = clip, guidance
        self.latents = pair.prior.sample(n, seed)

    def samples(self, label: int) -> tuple[dict[str, Tensor], dict[str, int]]:
        """Give the samples of each row and the steps they took."""
        likelihood = ClipLogProbability(self.clip, PROMPTS[label], against=_without(label))
        apart = gmi(
            self.generator,
            self.latents,
            features=self.features,
            log_likelihood=likelihood,
            weights=(self.guidance.repulsion, 0.0, self.guidance.likelihood),
            density=KernelDensity(MedianBandwidth(factor=1.0)),
            steps=self.guidance.steps,
            batch_size=len(self.latents),
        ).samples
        with torch.no_grad():
            base, target = self.generator(self.latents), float(likelihood(apart).mean())
        alone, steps = self._until(likelihood, target)
        return {BASE: base, ALONE: alone, APART: apart}, {BASE: 0, ALONE: steps, APART: self.guidance.steps}

    @torch.no_grad()
    def scores(self, images: Tensor, label: int) -> Scores:
        """Measure the mean log-probability of the prompt, and 100 times the mean cosine with it."""
        likelihood = ClipLogProbability(self.clip, PROMPTS[label], against=_without(label))
        cosine = ClipSimilarity(self.clip, [PROMPTS[label]], weight=100.0)
        return {"log_probability": float(likelihood(images).mean()), "clip_score": float(cosine(images).mean())}

    def _until(self, likelihood: ClipLogProbability, target: float) -> tuple[Tensor, int]:
        """Ascend the likelihood alone, gmi with weights (0, 0, λ3), to the step whose mean is closest to a target."""
        energy = Pullback(self.guidance.likelihood * Divergence(KL(), likelihood), self.generator)
        closest, best, steps = float("inf"), self.latents, 0
        for state in iterate(self.latents, energy, EulerMaruyama(1.0)):
            with torch.no_grad():
                reached = float(likelihood(self.generator(state.x)).mean())
            if abs(reached - target) < closest:
                closest, best, steps = abs(reached - target), state.x, state.step
            if reached > target or state.step == _PATIENCE * self.guidance.steps:
                break
        with torch.no_grad():
            return self.generator(best), steps


class Judge:
    """Measures steered images by a classifier that did not steer them.

    Args:
        classifier: its logits name classes, its features measure diversity.
    """

    def __init__(self, classifier: Pretrained) -> None:
        self.classifier = classifier_of(classifier)
        self.real = cifar10("test")

    def __call__(self, images: Tensor, label: int) -> Scores:
        """Measure the part of the asked class, the mean distance of pairs (of all, and of
        those of the asked class; 0 without a pair), and the coverage of real images."""
        own = self.real.images[self.real.labels == label][:REFERENCES]
        features, reference = (extract_features(self.classifier.features, x) for x in (images, to_float(own)))
        asked = extract_features(self.classifier, images).argmax(dim=1) == label
        return {
            "asked_percent": 100 * float(asked.double().mean()),
            "pairwise_distance": float(torch.pdist(features).mean()),
            # Images of other classes are far away without being what was asked for.
            "asked_distance": float(torch.pdist(features[asked]).mean()) if asked.sum() > 1 else 0.0,
            "coverage": neighbour_metrics(features, reference).coverage,
        }


def steer(steering: TextSteering, judge: Judge, label: int, done: Callable[[], object]) -> Steered:
    """Steer towards a class and measure each row.

    Args:
        steering: the flows.
        judge: the measure.
        label: the class.
        done: called after each row.
    """
    samples, steps = steering.samples(label)
    scores = {}
    for row, images in samples.items():
        scores[row] = {**steering.scores(images, label), **judge(images, label), "steps": float(steps[row])}
        done()
    return Steered(samples, scores, evaluations=sum(steps.values()) * len(steering.latents))


def averaged(prompts: Sequence[dict[str, Scores]]) -> dict[str, Scores]:
    """Average the numbers of each row over the prompts."""
    return {row: {name: statistics.fmean(p[row][name] for p in prompts) for name in METRICS} for row in ROWS}


def printed(table: dict[str, dict[str, Scores]]) -> str:
    """Lay out prompt -> row -> numbers as text."""
    lines = []
    for prompt, rows in table.items():
        for row, scores in rows.items():
            lines.append([prompt, row, *(f"{scores[name]:.{digits}f}" for name, (_, digits) in METRICS.items())])
    return format_table(["prompt", "guidance", *(label for label, _ in METRICS.values())], lines)


def _without(label: int) -> list[str]:
    return [prompt for other, prompt in enumerate(PROMPTS) if other != label]
