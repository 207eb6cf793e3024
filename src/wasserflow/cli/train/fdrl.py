"""`wasserflow train fdrl`: a generator that is a density ratio, for points and images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from wasserflow.cli.names.images import images_of
from wasserflow.cli.names.measures import POINTS
from wasserflow.cli.train.monitors import measured, monitors
from wasserflow.cli.train.saving import built, save_trained, told
from wasserflow.data.images import to_float
from wasserflow.divergences import KL, JensenShannon, LogD, Pearson
from wasserflow.models.pretrained import Recipe
from wasserflow.ratios import LeastSquares, Logistic
from wasserflow.spaces import Box, Gaussian, Normal, Samples, Source, fit_gaussian
from wasserflow.training.divergence_guard import TrainingDiverged
from wasserflow.training.fdrl import FlowGuidedRatio
from wasserflow.training.fit_fdrl import train_fdrl as fit_fdrl

DataName = Literal["mnist", "cifar10", "swissroll", "25gaussians"]
PairingName = Literal["lsif-pearson", "lr-kl", "lr-js", "lr-logd"]
SourceName = Literal["gaussian", "uniform"]
NetworkName = Literal["cnn", "resnet"]

PAIRINGS: dict[PairingName, tuple[Any, Any]] = {
    "lsif-pearson": (Pearson(), LeastSquares()),
    "lr-kl": (KL(), Logistic()),
    "lr-js": (JensenShannon(), Logistic()),
    "lr-logd": (LogD(), Logistic()),
}
_POINTS = 100_000  # in the training set of a toy


@dataclass(frozen=True)
class Setting:
    """How to build a data set's network, its training set, and where particles may start.

    Args:
        network: how to build it.
        data: (n, *event) points, or uint8 images.
        clamp: what a fitted source's samples are clamped to.
        domain: (m, *event) uint8 images that a translation starts from; None for a source without data.
    """

    network: Recipe
    data: Tensor
    clamp: tuple[float, float] | None
    domain: Tensor | None = None


def train_fdrl(
    out: Path,
    data: DataName = "mnist",
    pairing: PairingName = "lsif-pearson",
    source: SourceName = "gaussian",
    source_class: int | None = None,
    target_class: int | None = None,
    network: NetworkName | None = None,
    width: int | None = None,
    normalise: bool = False,
    iterations: int | None = None,
    batch_size: int | None = None,
    flow_steps: int | None = None,
    step_size: float | None = None,
    lr: float | None = None,
    decay_at: tuple[float, float] | None = None,
    ema: float | None = None,
    data_noise: float | None = None,
    flips: bool | None = None,
    longest_step: float | None = None,
    r1: float | None = None,
    r2: float | None = None,
    measure_every: int | None = None,
    measure_samples: int = 500,
    measure_extra_steps: int = 20,
    judge: str | None = None,
    seed: int = 0,
    **settings: Any,
) -> None:
    """Train a flow-guided density ratio (FDRL), which `wasserflow generate` then samples from.

    With two classes, particles start at the images of one and learn to become those of the other, without pairs;
    `wasserflow translate` then moves further images.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: What to generate.
        pairing: The loss, which says whether the network outputs the ratio (lsif) or its logarithm (lr), and the
            divergence whose flow it drives.
        source: Where particles start: a Gaussian (fitted to images, N(0, I) for points), or a uniform box.
        source_class: Start from the training images of this class instead; target_class goes with it.
        target_class: Learn the images of this class only.
        network: Of images: cnn (small; for mnist, if left out) or resnet (the published one, for cifar10).
        width: Units of a hidden layer for points, 64; channels of the cnn's first layer, 32; an eighth of the channels
            of the resnet's widest layer, 8.
        normalise: Spectral norm on every layer of an image network.
        iterations: Training steps; 1,500 for points, 5,000 for mnist, 100,000 for cifar10, 120,000 from its
            uniform source, 40,000 for its translations.
        batch_size: Data, and as many particles, in a step; 256 for points, 64 for images.
        flow_steps: Steps of the flow in a training step; 20 for points, 30 for mnist, 100 for cifar10.
        step_size: Of the flow; 0.5 (lsif) or 0.2 (lr) for points, 1 or 0.3 for mnist, 3 or 0.3 for cifar10,
            where the paper has 3 for both.
        lr: Adam's first learning rate; 1e-3 for points, 5e-4 for mnist, 1e-4 for cifar10.
        decay_at: Shares of the iterations after which it falls to a tenth; 0.8 and 0.9, for translations of cifar10 0.5
            and 0.75.
        ema: Weight of the past in the moving average; 0.99 for points, 0.998 for images.
        data_noise: Standard deviation of the noise on data; 0 for points, 0.03 for images.
        flips: Mirror half of the images; for cifar10 only.
        longest_step: The longest move of a particle in one step of the flow; 0.6 for mnist, 2 from its uniform source,
            no limit for others, as published.
        r1: Weight of the penalty on the network's slope at data; 1 for mnist, where a training without it ran away.
        r2: The same at particles.
        measure_every: Training steps between two measurements of samples: their Fréchet distance to validation images,
            in the log and curve.png, and a picture in samples/; 0 for none, 1,000 for images. The training is the same.
        measure_samples: How many are drawn each time.
        measure_extra_steps: Steps of their flow after those of training.
        judge: The classifier in whose features they are compared; cifar10-resnet or mnist-resnet.
        seed: Seeds the weights, the batches, the starts and the noise.
        settings: Of the trainer.
    """
    divergence, loss = PAIRINGS[pairing]
    classes = _classes(data, source, source_class, target_class)
    setting = setting_for(data, network, width, normalise, seed, classes)
    options = defaults_for(data, pairing)
    if classes and data == "cifar10":
        options |= {"iterations": 40_000, "decay_at": (0.5, 0.75)}
    elif source == "uniform" and data == "cifar10":
        options["iterations"] = 120_000
    given: dict[str, object] = {
        "iterations": iterations,
        "batch_size": batch_size,
        "flow_steps": flow_steps,
        "step_size": step_size,
    }
    given |= {"lr": lr, "decay_at": decay_at, "ema": ema, "data_noise": data_noise, "flips": flips}
    given |= {"longest_step": longest_step, "r1": r1, "r2": r2}
    if source == "uniform" and options.get("longest_step"):
        options["longest_step"] = 2.0
    options |= {name: value for name, value in given.items() if value is not None}
    (ratio,) = built(seed, setting.network)
    start = _source(source, setting)
    measuring = (options["iterations"], measure_every, measure_samples, measure_extra_steps, judge, target_class)
    watch = monitors(data, out, *measuring)
    try:
        model = fit_fdrl(ratio, setting.data, start, divergence, loss, out, watch, seed=seed, **options, **settings)
    except TrainingDiverged as error:
        last = out / "last.ckpt"
        left = f"the last good checkpoint is {last}" if last.is_file() else f"no checkpoint was written yet in {out}"
        raise SystemExit(f"wasserflow: {error}\n{left}") from error
    began = f"from class {source_class} to class {target_class}" if classes else f"{source} source"
    save_trained(
        out,
        summary=f"flow-guided density ratio ({pairing}, {began}) of {data}",
        data=data,
        training=told({**options, **settings}, pairing=pairing, source=began, seed=seed),
        networks={"model": recipe_of(model, setting.network, list(setting.data.shape[1:]))},
        trained={"model": model.averaged_copy()},
        used_by="translate --model" if classes else "generate --model",
        metrics=measured(watch),
        translation={"source_class": source_class, "target_class": target_class} if classes else {},
    )


def defaults_for(data: DataName, pairing: PairingName) -> dict[str, Any]:
    """The trainer's options unless others are given: the published ones for cifar10, what two cores can do for others.

    But for the step size of networks that output a logarithm: the paper has one step size, 3, for all pairings.
    """
    least_squares = pairing == "lsif-pearson"
    if data in POINTS:
        options = {"batch_size": 256, "flow_steps": 20, "lr": 1e-3, "ema": 0.99, "data_noise": 0.0, "iterations": 1_500}
        return {**options, "step_size": 0.5 if least_squares else 0.2, "flips": False}
    options = {"batch_size": 64, "ema": 0.998, "data_noise": 0.03, "flips": data == "cifar10"}
    if data == "mnist":
        options |= {"flow_steps": 30, "lr": 5e-4, "iterations": 5_000, "longest_step": 0.6, "r1": 1.0, "r2": 1.0}
        return {**options, "step_size": 1.0 if least_squares else 0.3}
    options |= {"flow_steps": 100, "lr": 1e-4, "iterations": 100_000}
    return {**options, "step_size": 3.0 if least_squares else 0.3}


def setting_for(
    data: DataName,
    network: NetworkName | None,
    width: int | None,
    normalise: bool,
    seed: int,
    classes: tuple[int, int] | None = None,
) -> Setting:
    """Give the network and the training set of a data set by name, or of a translation between two of its classes."""
    if data in POINTS:
        if network is not None:
            raise ValueError(f"network is {network}, for images; the ratio of {data} is a perceptron: leave it out")
        return Setting(
            Recipe("mlp_ratio", {"width": 64 if width is None else width}),
            POINTS[data].sample(_POINTS, seed=seed),
            None,
        )
    labelled = images_of(data, "train")
    domain, images = map(labelled.of_class, classes) if classes else (None, labelled.images)
    size, shared = images.shape[-1], {"image_channels": images.shape[1], "normalise": normalise}
    if (network or ("cnn" if data == "mnist" else "resnet")) == "cnn":
        recipe = Recipe("RatioCNN", {"image_size": size, "width": 32 if width is None else width, **shared})
    else:
        recipe = Recipe("RatioResNet", {"size": str(size), "width": 8 if width is None else width, **shared})
    return Setting(recipe, images, (-1.0, 1.0), domain)


def recipe_of(model: FlowGuidedRatio[Any], network: Recipe, shape: list[int]) -> Recipe:
    """Say how to build a model again, to hold its moving average alone."""
    names = ("flow_steps", "step_size", "noise_std", "data_noise", "flips", "longest_step")
    return Recipe(
        "FlowGuidedRatio",
        {
            "network": network,
            "source": source_recipe(model.source, shape),
            "divergence": Recipe(type(model.divergence).__name__),
            "loss": Recipe(type(model.loss).__name__),
            **{name: getattr(model, name) for name in names},
            "ema": 0.0,
        },
    )


def _classes(data: DataName, source: SourceName, first: int | None, second: int | None) -> tuple[int, int] | None:
    if first is None and second is None:
        return None
    if first is None or second is None or first == second:
        raise ValueError(f"source_class is {first} and target_class is {second}; give two classes, or neither")
    if data in POINTS:
        raise ValueError(f"source_class is {first}, but {data} has no classes; give --data mnist or cifar10")
    if source != "gaussian":
        raise ValueError(f"source is {source} and source_class is {first}; give only one of them")
    return first, second


def _source(name: SourceName, setting: Setting) -> Source:
    shape = tuple(setting.data.shape[1:])
    if setting.domain is not None:
        return Samples(to_float(setting.domain))
    if name == "uniform":
        return Box(-1.0, 1.0, shape) if setting.clamp else Box(-2.0, 2.0, shape)
    if setting.clamp is None:
        return Normal(shape)
    return fit_gaussian((to_float(part) for part in setting.data.split(1_000)), clamp=setting.clamp)


def source_recipe(source: Source | None, shape: list[int]) -> Recipe | None:
    """Say how to build a source again; what a fitted one has learnt is among the model's weights.

    Given samples are not saved: such a model moves those that it is given.
    """
    match source:
        case None | Samples():
            return None
        case Gaussian():
            return Recipe("Gaussian", {"shape": shape, "clamp": None if source.clamp is None else list(source.clamp)})
        case Box():
            return Recipe("Box", {"low": source.low, "high": source.high, "shape": shape})
    return Recipe("Normal", {"shape": shape})
