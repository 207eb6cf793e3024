"""All metrics in one call, the reference set and its file."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from wasserflow import metrics
from wasserflow.data.images import to_float, to_uint8
from wasserflow.metrics import IMAGE_METRIC_LABELS, evaluate_images, load_reference, reference_set, save_reference

pytestmark = pytest.mark.filterwarnings("ignore:a Fréchet distance from")


class Pooled(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


def noise(n: int, scale: float = 1.0) -> Tensor:
    return (torch.rand(n, 3, 8, 8) * 2 - 1) * scale


def test_every_metric_is_the_one_of_its_own_function() -> None:
    net, samples, real = Pooled(), to_float(to_uint8(noise(60, 0.9))), noise(80)
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    result = evaluate_images(samples, reference_set(net, real, name="noise"), net, classifier, batch_size=7, seed=3)
    x, y = net(samples), net(real)
    expected = {
        "frechet": metrics.frechet_distance(metrics.FeatureMoments.of(x), metrics.FeatureMoments.of(y)),
        "kid": metrics.kernel_distance(x, y, seed=3)[0],
        **asdict(metrics.neighbour_metrics(x, y)),
        "inception_score": metrics.inception_score(classifier(samples).detach(), seed=3)[0],
    }
    assert expected.keys() == IMAGE_METRIC_LABELS.keys()
    assert {name: getattr(result, name) for name in expected} == pytest.approx(expected, rel=1e-5)
    assert (result.samples, result.reference_samples, result.reference) == (60, 80, "noise")
    assert (result.feature_net, result.seed) == ("Pooled", 3)


def test_floats_and_the_bytes_they_are_stored_as_score_the_same() -> None:
    net, samples = Pooled(), noise(50)
    reference = reference_set(net, noise(50))
    assert evaluate_images(samples, reference, net) == evaluate_images(to_float(to_uint8(samples)), reference, net)


def test_samples_may_come_in_batches() -> None:
    net, samples = Pooled(), noise(50)
    reference = reference_set(net, noise(50).split(20))
    whole, parts = evaluate_images(samples, reference, net), evaluate_images(iter(samples.split(9)), reference, net)
    assert asdict(parts)["frechet"] == pytest.approx(whole.frechet, rel=1e-6)
    assert parts.samples == 50


def test_the_digest_is_that_of_the_bytes_and_not_of_the_batches() -> None:
    images = noise(20)
    expected = hashlib.sha256(b"(3, 8, 8)" + np.asarray(to_uint8(images)).tobytes()).hexdigest()
    assert reference_set(Pooled(), images, batch_size=3).digest == expected
    assert reference_set(Pooled(), images, batch_size=100).digest == expected
    assert reference_set(Pooled(), images.flip(0)).digest != expected


def test_stored_moments_give_the_same_frechet_distance_and_nothing_else(tmp_path: Path) -> None:
    net, samples = Pooled(), noise(50)
    reference = reference_set(net, noise(80), name="noise", feature_name="pooled")
    save_reference(reference, tmp_path / "moments.safetensors")
    stored = load_reference(tmp_path / "moments.safetensors")
    assert (stored.name, stored.digest, stored.feature_net) == ("noise", reference.digest, "pooled")
    assert stored.features is None
    whole, part = evaluate_images(samples, reference, net), evaluate_images(samples, stored, net)
    assert part.frechet == whole.frechet
    assert part.reference_samples == 80
    assert (part.kid, part.precision, part.recall, part.density, part.coverage) == (None,) * 5


@pytest.mark.parametrize("damage", ["truncated", "not safetensors", "other tensors"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "moments.safetensors"
    save_reference(reference_set(Pooled(), noise(9)), path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "not safetensors":
        path.write_bytes(b"hello")
    else:
        from safetensors.torch import save_file

        save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"moments\.safetensors is damaged"):
        load_reference(path)
    with pytest.raises(FileNotFoundError, match=r"absent\.safetensors"):
        load_reference(tmp_path / "absent.safetensors")


def test_too_few_images_for_neighbours_leave_those_metrics_out() -> None:
    net = Pooled()
    result = evaluate_images(noise(4), reference_set(net, noise(20)), net)
    assert result.kid is not None
    assert result.precision is None


def test_bad_input_is_refused() -> None:
    net = Pooled()
    reference = reference_set(net, noise(9))
    with pytest.raises(ValueError, match=r"in \[-1, 1\]"):
        evaluate_images(255 * noise(9), reference, net)
    with pytest.raises(TypeError, match="uint8"):
        evaluate_images(to_uint8(noise(9)), reference, net)
    with pytest.raises(ValueError, match="192 features and the reference 12"):
        evaluate_images(noise(9), reference, nn.Flatten())
    with pytest.raises(ValueError, match="no samples"):
        evaluate_images([], reference, net)
    with pytest.raises(ValueError, match="'empty' has no images"):
        reference_set(net, [], name="empty")


LOADER = DataLoader(TensorDataset(torch.zeros(4, 1, 8, 8), torch.arange(4)), batch_size=2)
NOT_IMAGES = [
    (np.zeros((4, 1, 8, 8), np.float32), r"images are a ndarray; give a tensor .*torch\.from_numpy"),
    (LOADER, r"a batch of images is a list of 2; give tensors of images alone"),
    ("images.npz", "images are a str; give a tensor"),
]


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize(("images", "message"), NOT_IMAGES)
def test_what_is_no_images_is_named(images: object, message: str) -> None:
    reference = reference_set(Pooled(), torch.zeros(4, 1, 8, 8) - 1)
    for call in (lambda: evaluate_images(images, reference, Pooled()), lambda: reference_set(Pooled(), images)):
        with pytest.raises(TypeError, match=message):
            call()


@pytest.mark.usefixtures("unchecked_annotations")
def test_images_in_the_place_of_a_reference_are_refused_at_once() -> None:
    calls = []
    with pytest.raises(TypeError, match=r"the reference is a Tensor; give reference_set\(feature_net, images\)"):
        evaluate_images(torch.zeros(4, 1, 8, 8), torch.zeros(4, 1, 8, 8), calls.append)
    assert not calls


@pytest.mark.usefixtures("unchecked_annotations")
def test_features_that_are_no_tensors_are_named() -> None:
    good, bad = torch.randn(9, 3), np.zeros((9, 3))
    message = r"(samples|logits|features) is a ndarray; give a tensor \(n, features\)"
    for call in (
        lambda: metrics.kernel_distance(bad, good),
        lambda: metrics.neighbour_metrics(bad, good),
        lambda: metrics.inception_score(bad),
        lambda: metrics.FeatureMoments.of(bad),
        lambda: metrics.FeatureMoments.stream([bad]),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    with pytest.raises(TypeError, match="features is a list"):
        metrics.FeatureMoments.stream([[good, torch.arange(9)]])
    with pytest.raises(ValueError, match=r"features has shape \(9,\); give \(n, features\)"):
        metrics.FeatureMoments.of(good[:, 0])
    with pytest.raises(TypeError, match=r"reference is a Tensor; give its moments: FeatureMoments\.of"):
        metrics.frechet_distance(metrics.FeatureMoments.of(good), good)
