"""What all methods of a comparison share: one generator, one critic, their calibration, and the meter on them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from wasserflow.cli.compare.cost import Cost, Counted, Meter
from wasserflow.cli.names.images import IMAGE_SETS
from wasserflow.cli.names.measures import POINTS, reference_images
from wasserflow.cli.settings.inference import InferenceOptions, kernel_features, real_samples, seen_by
from wasserflow.cli.settings.steepness import PAIRED, steepness
from wasserflow.data.images import to_float
from wasserflow.densities import Features, ReferenceFeatures
from wasserflow.models import prepare
from wasserflow.models.pretrained import Pretrained
from wasserflow.ratios import calibrate
from wasserflow.ratios.calibration import Calibrated, outputs_of
from wasserflow.spaces import Generated, PriorSpace, Samples

_SEED = 0x63616C69  # of the calibration's samples, which no row starts from


@dataclass(frozen=True, eq=False)
class Attempt:
    """What a method made of a budget.

    Args:
        samples: (n, ...) as they are stored.
        cost: what they took, all together.
        setup: what was spent once before, for any number of samples.
        acceptance: share of the proposals that were accepted; None where none are rejected.
    """

    samples: np.ndarray
    cost: Cost
    setup: Cost = Cost()  # noqa: RUF009 (frozen)
    acceptance: float | None = None


@dataclass(frozen=True, eq=False)
class Calibration:
    """A critic made a log-ratio, and what it says of real and generated samples.

    Args:
        log_ratio: the critic with a slope and an offset.
        on_real: its values on held-out real samples, nats.
        on_fake: on generated ones.
        cost: what all this took.
    """

    log_ratio: Calibrated
    on_real: Float64[Tensor, " real"]
    on_fake: Float64[Tensor, " fake"]
    cost: Cost


class Arena:
    """One generator and one critic, metered, and what is made ready before the methods start.

    Args:
        pair: generator, critic and prior.
        real: (m, *event) held-out real samples to calibrate on, never those that results are measured against.
        count: how many generated samples to calibrate on.
        precision: of matrix products and convolutions; None for that of the weights.
    """

    def __init__(
        self, pair: Pretrained, real: Float[Tensor, "m *event"], count: int, precision: torch.dtype | None = None
    ) -> None:
        assert pair.prior is not None
        self.prior: PriorSpace = pair.prior
        self.pair, self.meter, self.count = pair, Meter(), count
        generator, critic = prepare(pair.generator, pair.critic, precision=precision)
        self.generator = Counted(generator, self.meter.generator)
        self.critic = Counted(critic, self.meter.critic)
        self.starts = Samples(real)
        self.calibration = self._calibrate(real)

    def propose(self, n: int, seed: Int64[Tensor, " n"] | int) -> Tensor:
        """Draw n samples of the generator."""
        return Generated(self.generator, self.prior).sample(n, seed)

    def lipschitz(self, latent: bool) -> float:
        """Estimate DOT's constant, of the critic on latents or on samples, on others than those of a row."""
        count = min(PAIRED, self.count)
        return steepness(self.generator, self.critic, self.prior, latent, _SEED, count)

    def kernel_features(self, options: InferenceOptions) -> tuple[Features | None, Tensor | ReferenceFeatures | None]:
        """The critic's features, metered, and those of gmi's real samples: training ones, or what --real gave.

        Raises:
            ValueError: fewer real samples than the options ask for.
        """
        own = {"generator": self.pair.generator, "critic": self.pair.critic}
        features = kernel_features(replace(self.pair, networks=own), torch.device("cpu"))
        counted = None if features is None else Counted(features, self.meter.critic)
        if not options.weights[1]:
            return counted, None
        own_data = real_samples(options, self.pair.card.data) if options.real is None else None
        real = self.starts.x[: options.references] if own_data is None else own_data
        return counted, seen_by(counted, real, bool(options.mollifier), torch.device("cpu"), progress=False)

    def _calibrate(self, real: Tensor) -> Calibration:
        before = self.meter.read()
        fake = self.propose(self.count, _SEED)
        log_ratio = calibrate(self.critic, real, fake)
        on_real, on_fake = outputs_of(log_ratio, real, fake)
        return Calibration(log_ratio, on_real, on_fake, self.meter.read() - before)


def held_out_samples(data: str, real: str | None, count: int) -> Float[Tensor, "m *event"]:
    """Read real samples to calibrate on: of the validation split, on which no critic is trained or measured.

    Args:
        data: what the model was trained on.
        real: another set by its name or path; None for that of `data`.
        count: how many; a smaller set is taken whole.

    Raises:
        ValueError: count below 2, or no such set.
        FileNotFoundError: the data set is not at hand.
    """
    if count < 2:
        raise ValueError(f"calibration is {count}; a critic needs samples to be calibrated on: give at least 2")
    name = real or data
    if name in POINTS:
        return POINTS[name].sample(count, seed=_SEED)
    if name in IMAGE_SETS:
        return to_float(IMAGE_SETS[name].read("validation").images[:count])
    if real is None:
        raise ValueError(
            f"{data} is what results are measured against, and a critic must be calibrated on other real samples; give "
            "them with --real"
        )
    return to_float(reference_images(name)[:count])
