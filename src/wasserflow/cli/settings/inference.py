"""The settings of `--method gmi`, and the real samples that its log p needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from wasserflow.checks import require_counts, require_weights
from wasserflow.cli.names.measures import POINTS
from wasserflow.cli.names.real_samples import as_floats, training_samples
from wasserflow.cli.settings.choices import Runner, SpaceName
from wasserflow.densities import (
    Density,
    Features,
    JoinedFeatures,
    KernelDensity,
    KernelRidge,
    MedianBandwidth,
    ReferenceFeatures,
    SteinScore,
    feature_rows,
    layer_features,
)
from wasserflow.flow import Watch
from wasserflow.methods import Refinement, gmi
from wasserflow.models import prepare
from wasserflow.models.pretrained import Pretrained
from wasserflow.seeds import subseed
from wasserflow.spaces import PriorSpace

DensityName = Literal["kernel-density", "kernel-ridge", "stein"]

_BATCH = 100
_BALANCING = 500  # samples on which features of several critics are scaled
_SETTINGS = {
    "kernel-density": {"mollifier": 0.0},
    "kernel-ridge": {"mollifier": 0.0, "ridge": KernelRidge.ridge},
    "stein": {"ridge": SteinScore.ridge},
}


@dataclass(frozen=True)
class InferenceOptions:
    """The settings of gmi, none left open.

    Args:
        weights: λ1, λ2, λ3 of log q, log p and log p(c | x), with the step size in them.
        density: the estimator of q and p.
        bandwidth_factor: on the median squared distance of the features.
        ridge: η of kernel-ridge and stein; None for kernel-density.
        mollifier: standard deviation of the shifts of a mollified kernel; None for stein.
        references: how many real samples log p is estimated from.
        real: where they come from; None for what the model was trained on.
        steps: how many updates.
        batch_size: the most samples that interact.
        space: where the particles live: the generator's latents, or its samples.
    """

    weights: tuple[float, float, float] = (0.3, 0.3, 0.2)
    density: DensityName = "kernel-density"
    bandwidth_factor: float = 0.2
    ridge: float | None = None
    mollifier: float | None = None
    references: int = 2_000
    real: str | None = None
    steps: int = 15
    batch_size: int = 1_000
    space: SpaceName = "latent"

    @classmethod
    def resolve(cls, chosen: Mapping[str, Any]) -> InferenceOptions:
        """Fill what was not chosen.

        Args:
            chosen: settings by name; None where left open.

        Raises:
            ValueError: a setting that gmi, or the chosen density, does not have.
        """
        given = {name: value for name, value in chosen.items() if value is not None}
        density = given.get("density", cls.density)
        own = _SETTINGS[density]
        for name, value in given.items():
            if name not in cls.__dataclass_fields__:
                raise ValueError(f"{name} is {value}, but gmi has none; leave it out")
            if name in ("ridge", "mollifier") and name not in own:
                raise ValueError(f"{name} is {value}, but {density} has none; leave it out")
        if "weights" in given:
            given["weights"] = tuple(given["weights"])  # JSON and YAML have lists only
        options = cls(**{**own, **given})
        require_weights(options.weights)
        options.estimator()
        require_counts(references=options.references, steps=options.steps)
        return options

    def estimator(self) -> Density:
        """Build the density."""
        bandwidth = MedianBandwidth(self.bandwidth_factor)
        match self.density:
            case "kernel-density":
                return KernelDensity(bandwidth, mollifier=self.mollifier or 0.0)
            case "kernel-ridge":
                ridge = KernelRidge.ridge if self.ridge is None else self.ridge
                return KernelRidge(ridge, bandwidth, mollifier=self.mollifier or 0.0)
            case "stein":
                return SteinScore(SteinScore.ridge if self.ridge is None else self.ridge, bandwidth)

    def runner(
        self,
        generator: nn.Module,
        critic: nn.Module,
        prior: PriorSpace,
        features: Features | None,
        real: Tensor | ReferenceFeatures | None,
    ) -> Runner:
        """Bind everything but the particles: `runner(particles, seed=..., watch=...)`."""
        latent = self.space == "latent"

        def run(particles: Tensor, *, seed: Tensor, watch: Watch | None = None) -> Refinement:
            return gmi(
                generator if latent else None,
                particles,
                features=features,
                real=real,
                log_likelihood=critic,
                weights=self.weights,
                density=self.estimator(),
                steps=self.steps,
                batch_size=self.batch_size,
                seed=seed,
                space=prior if latent else None,
                watch=watch,
            )

        return run


def require_company(options: InferenceOptions, sizes: Sequence[int]) -> None:
    """Refuse groups of one, whose log q does not exist.

    Args:
        options: the settings.
        sizes: of the groups.

    Raises:
        ValueError: as above.
    """
    if options.weights[0] and min(sizes) < 2:
        raise ValueError(
            f"batch_size {options.batch_size} cuts {sum(sizes)} samples into groups of {max(sizes)} and 1, and a lone "
            "sample has no others to estimate log q from; take another --batch-size or --n"
        )


def kernel_features(pair: Pretrained, device: torch.device) -> Features | None:
    """The features that kernels compare: those of the pair's critics for images; points are compared as they are.

    Args:
        pair: its generator, and its critics, which are all its other networks.
        device: of the work.
    """
    if pair.card.data in POINTS:
        return None
    critics = [network for name, network in pair.networks.items() if name != "generator"]
    parts = [_penultimate(critic.to(device)) for critic in prepare(*critics)]
    if len(parts) == 1:
        return parts[0]
    assert pair.prior is not None
    with torch.no_grad():
        samples = pair.generator(pair.prior.sample(_BALANCING, seed=subseed(0, "scales of features"))).to(device)
    return JoinedFeatures.balanced(parts, samples)


def _penultimate(critic: nn.Module) -> Features:
    for name in ("pooled_features", "features"):
        features = getattr(critic, name, None)
        if callable(features):
            return features
    return layer_features(critic)


def real_samples(options: InferenceOptions, data: str) -> Tensor | None:
    """Read the real samples of log p.

    Args:
        options: the settings.
        data: what the model was trained on.

    Returns:
        uint8 images or float points, the first of the training set; None where log p has no weight.

    Raises:
        ValueError: none can be found, or too few; the message says what to do.
    """
    if not options.weights[1]:
        return None
    without = f"or leave log p out: --weights '[{options.weights[0]}, 0, {options.weights[2]}]'"
    return training_samples(options.real, data, options.references, "gmi", without)


def seen_by(
    features: Features | None, real: Tensor, mollified: bool, device: torch.device, progress: bool
) -> Tensor | ReferenceFeatures:
    """Take the features of real samples, once for the whole run; a mollified kernel needs the samples themselves.

    Args:
        features: φ.
        real: what `real_samples` gave.
        mollified: whether the kernel shifts samples.
        device: of the work.
        progress: show a progress bar.
    """
    floats = as_floats(real).to(device)
    if mollified:
        return floats
    batches = tqdm(floats.split(_BATCH), desc="real features", unit="batch", disable=not progress, leave=False)
    return ReferenceFeatures(torch.cat([feature_rows(features, batch) for batch in batches]))
