"""One number of each shipped model, so that neither weights nor what reads them can change unseen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from wasserflow.data.captions import captions
from wasserflow.data.images import LabelledImages, Split, cifar10, mnist, to_float, to_uint8
from wasserflow.data.toy import Gaussians25
from wasserflow.metrics import FeatureMoments, extract_features, frechet_distance, load_reference
from wasserflow.metrics.toy import high_quality_fraction
from wasserflow.models import zoo
from wasserflow.models.pretrained import Pretrained
from wasserflow.training.attack import robust_accuracy


def some_test_images(n: int, data: Callable[[Split], LabelledImages] = cifar10) -> LabelledImages:
    return data("test")[:n]


def distance_of(net: Pretrained, reference: str) -> Callable[[Tensor], float]:
    """The Fréchet distance to the test images whose moments ship with a classifier."""
    moments = load_reference(net.folder / f"reference-{reference}.safetensors").moments

    def distance(x: Tensor) -> float:
        features = extract_features(net.model.features, map(to_float, to_uint8(x).split(100)))
        return frechet_distance(FeatureMoments.of(features), moments)

    return distance


def test_25gaussians() -> None:
    pair = zoo.load("25gaussians")
    latents = pair.prior.sample(2_000, seed=0)
    with torch.no_grad():
        before = pair.generator(latents)
    after = wf.refine(pair.critic, before, integrator=wf.EulerMaruyama(0.01, 0.01), steps=100, seed=0).samples
    means = Gaussians25().means
    assert high_quality_fraction(before, means, Gaussians25().std) == pytest.approx(0.375, abs=0.03)
    assert high_quality_fraction(after, means, Gaussians25().std) == pytest.approx(0.970, abs=0.015)


def test_cifar10_sndcgan() -> None:
    # 300 samples and 5 steps: far fewer than README's, so another distance, but as telling.
    pair = zoo.load("cifar10-sndcgan")
    generator, critic = wf.prepare(pair.generator, pair.critic)
    latents = pair.prior.sample(300, seed=0)
    r = wf.refine(critic, latents, generator, integrator=wf.EulerMaruyama(0.1), steps=5, seed=0)
    with torch.no_grad():
        images = generator(latents), r.samples
    before, after = map(distance_of(zoo.load("cifar10-resnet"), "cifar10"), images)
    assert before == pytest.approx(1.36, abs=0.05)
    assert after / before == pytest.approx(0.60, abs=0.06)


def test_mnist_gan(data_dir: Path) -> None:
    # 500 samples, 1,000 references and 10 steps: fewer than README's, so other distances.
    pair = zoo.load("mnist-gan")
    generator, critic = wf.prepare(pair.generator, pair.critic)
    latents, real = pair.prior.sample(500, seed=0), to_float(mnist("train").images[:1_000])
    options = {"weights": (0.2, 0.2, 0.0), "density": wf.KernelDensity(), "steps": 10}
    r = wf.methods.gmi(generator, latents, features=wf.layer_features(critic), real=real, **options)
    with torch.no_grad():
        images = generator(latents), r.samples
    before, after = map(distance_of(zoo.load("mnist-resnet"), "mnist"), images)
    assert before == pytest.approx(1.5, abs=0.2)
    assert after / before == pytest.approx(0.31, abs=0.05)


def test_mnist_fdrl() -> None:
    # 200 samples: far fewer than README's, so another distance.
    net = zoo.load("mnist-resnet")
    samples = zoo.load("mnist-fdrl").model.generate(200, seed=0).clamp(-1, 1)
    assert distance_of(net, "mnist")(samples) == pytest.approx(0.60, abs=0.1)
    with torch.no_grad():
        assert len(net.model(samples).argmax(1).unique()) == 10


@pytest.mark.parametrize(
    ("name", "data", "accuracy", "attacked"),
    [
        ("cifar10-resnet", cifar10, 0.8675, 0.12),
        ("cifar10-robust", cifar10, 0.7101, 0.5363),
        ("mnist-resnet", mnist, 0.9907, 0.9),
        ("mnist-robust", mnist, 0.9897, 0.98),
    ],
)
def test_classifiers(
    data_dir: Path, name: str, data: Callable[[Split], LabelledImages], accuracy: float, attacked: float
) -> None:
    test, network = some_test_images(500, data), zoo.load(name).model
    assert robust_accuracy(network, test.images, test.labels, radius=0, steps=1) == pytest.approx(accuracy, abs=0.05)
    some = test.images[:200], test.labels[:200]
    assert robust_accuracy(network, *some, radius=1.0, steps=5) == pytest.approx(attacked, abs=0.1)


def test_cifar10_clip(data_dir: Path) -> None:
    pytest.importorskip("transformers")
    from wasserflow.training.clip import zero_shot_accuracy

    encoder = zoo.load("cifar10-clip").model
    assert zero_shot_accuracy(encoder, captions(), some_test_images(500)) == pytest.approx(0.569, abs=0.06)


def test_cifar10_vq(data_dir: Path) -> None:
    pytest.importorskip("diffusers")
    from wasserflow.training.vq import measure_vq

    measured = measure_vq(zoo.load("cifar10-vq").model, some_test_images(500).images)
    assert measured["mean squared error"] == pytest.approx(0.0216, rel=0.1)
