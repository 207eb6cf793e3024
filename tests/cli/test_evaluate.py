"""`wasserflow evaluate` and `wasserflow zoo`."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi
from models import feature_net

from wasserflow.cli import main
from wasserflow.cli.names.measures import PointMeasure, reference_images
from wasserflow.data.images import cifar10, mnist
from wasserflow.data.toy import Gaussians25
from wasserflow.models import zoo

pytestmark = pytest.mark.filterwarnings("ignore:a Fréchet distance:UserWarning")


def test_true_points_score_as_the_truth(tmp_path: Path, capsys) -> None:
    file, numbers = tmp_path / "samples.npz", tmp_path / "numbers.json"
    np.savez(file, samples=Gaussians25().sample(2000, seed=9).numpy())
    main(["evaluate", "--samples", str(file), "--reference", "25gaussians", "--json-file", str(numbers)])
    measured = json.loads(numbers.read_text())["samples"]
    assert measured["high_quality_percent"] > 99.5
    # 5,000 fresh points under a density of bandwidth 0.1 on true ones: between -2,800 and -2,400.
    assert -2800 < measured["kde_score"] < -2400
    assert measured["wasserstein2"] < 0.3
    assert "high quality" in capsys.readouterr().out


def test_before_and_after_stand_side_by_side(tmp_path: Path, capsys) -> None:
    true = Gaussians25().sample(500, seed=1).numpy()
    noise = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    np.savez(tmp_path / "s.npz", before=noise, after=true)
    main(["evaluate", "--samples", str(tmp_path / "s.npz"), "--reference", "25gaussians"])
    table = capsys.readouterr().out
    assert "before" in table
    assert "after" in table


@pytest.mark.parametrize("name", ["before", "after"])
def test_one_side_alone_is_measured(tmp_path: Path, capsys, name: str) -> None:
    np.savez(tmp_path / "s.npz", **{name: Gaussians25().sample(50, seed=1).numpy()})
    main(["evaluate", "--samples", str(tmp_path / "s.npz"), "--reference", "25gaussians"])
    table = capsys.readouterr().out
    assert table.split()[:2] == ["metric", name]
    assert "50 samples" in table


def test_features_of_what_is_no_classifier_are_refused(tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "s.npz", samples=np.zeros((2, 32, 32, 3), np.uint8))
    words = ["evaluate", "--samples", str(tmp_path / "s.npz"), "--reference", "cifar10"]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--features", "cifar10-sndcgan"])
    assert stop.value.code == 2
    assert "cifar10-sndcgan is no classifier" in capsys.readouterr().err


def test_a_reference_without_samples_is_refused(tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "s.npz", before=np.zeros((2, 32, 32, 3), np.uint8))
    words = ["evaluate", "--samples", str(tmp_path / "s.npz"), "--reference", str(tmp_path / "s.npz")]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--features", "cifar10-resnet"])
    assert stop.value.code == 2
    assert "holds before; a reference needs the array `samples`" in capsys.readouterr().err


def test_images_equal_to_the_reference_have_distance_zero(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "real.npz", samples=images)
    np.savez(tmp_path / "fake.npz", before=255 - images, after=images)
    net, out = feature_net(tmp_path / "net"), tmp_path / "numbers.json"
    words = ["evaluate", "--samples", tmp_path / "fake.npz", "--reference", tmp_path / "real.npz", "--features", net]
    main([*map(str, words), "--json-file", str(out)])
    numbers = json.loads(out.read_text())
    assert numbers["after"]["frechet"] == pytest.approx(0, abs=1e-6)
    assert numbers["after"]["precision"] == 1
    assert numbers["before"]["frechet"] > 100 * max(numbers["after"]["frechet"], 1e-9)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"words"])
def test_damaged_samples_are_named(tmp_path: Path, capsys, content: bytes) -> None:
    file = tmp_path / "broken.npz"
    file.write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "--samples", str(file), "--reference", "25gaussians"])
    assert stop.value.code == 2
    assert "broken.npz" in capsys.readouterr().err


def test_images_need_a_feature_net(tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "s.npz", samples=np.zeros((3, 32, 32, 3), np.uint8))
    with pytest.raises(SystemExit):
        main(["evaluate", "--samples", str(tmp_path / "s.npz"), "--reference", "cifar10"])
    assert "--features" in capsys.readouterr().err


def test_pickled_samples_are_refused(tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "s.npz", samples=np.array([{"a": 1}], dtype=object))
    with pytest.raises(SystemExit):
        main(["evaluate", "--samples", str(tmp_path / "s.npz"), "--reference", "25gaussians"])
    assert "s.npz" in capsys.readouterr().err


def test_zoo_lists_every_shipped_model(capsys) -> None:
    main(["zoo"])
    said = capsys.readouterr().out
    for name in zoo.names():
        assert name in said


def test_validation_images_are_a_reference_of_their_own(data_dir: Path) -> None:
    assert torch.equal(reference_images("mnist-validation"), mnist("validation").images)
    assert torch.equal(reference_images("cifar10-validation"), cifar10("validation").images)
    assert not torch.equal(reference_images("mnist")[:99], reference_images("mnist-validation")[:99])


def test_the_list_of_models_waits_for_nothing_else() -> None:
    asks = (
        "import sys; from wasserflow.cli import main; main(['zoo']); "
        "print([name for name in ('lightning', 'sklearn', 'matplotlib', 'torchmetrics') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", asks], check=True, capture_output=True, text=True).stdout
    assert said.splitlines()[-1] == "[]"
    assert "cifar10-sndcgan" in said


def test_points_are_not_measured_against_themselves() -> None:
    """The first points of seed 0 are what the shipped pairs were trained on; the reference of seed 0 is others."""
    points = Gaussians25().sample(2_000, seed=0)
    numbers = PointMeasure("25gaussians", seed=0)(points.numpy())
    assert numbers["wasserstein2"] > 0.01


@pytest.mark.parametrize(
    ("samples", "reference", "named"),
    [
        (np.zeros((4, 28, 28, 3), np.uint8), "cifar10", r"(4, 28, 28, 3) and the images of cifar10 are 32 x 32"),
        (
            np.zeros((4, 32, 32, 3), np.float32),
            "cifar10",
            "the samples are float32 (4, 32, 32, 3); cifar10 needs uint8",
        ),
        (np.zeros((4, 2), np.float32), "cifar10", "cifar10 needs uint8 images"),
        (np.zeros((4, 32, 32, 3), np.uint8), "25gaussians", "25gaussians needs points (n, 2)"),
    ],
)
def test_samples_of_another_kind_than_the_reference_are_refused(
    tmp_path: Path, capsys, monkeypatch, samples: np.ndarray, reference: str, named: str
) -> None:
    monkeypatch.setenv("WASSERFLOW_DATA", str(tmp_path))  # as where the data set is absent
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    np.savez(tmp_path / "s.npz", samples=samples)
    with pytest.raises(SystemExit):
        main(
            ["evaluate", "--samples", str(tmp_path / "s.npz"), "--reference", reference, "--features", "cifar10-resnet"]
        )
    assert named in capsys.readouterr().err


def test_without_the_reference_images_it_says_what_is_left_out(tmp_path: Path, capsys, monkeypatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setenv("WASSERFLOW_DATA", str(tmp_path))
    monkeypatch.setattr(HfApi, "dataset_info", unreachable)
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "s.npz", before=images, after=images)
    warnings.simplefilter("always")  # for this test only: pytest restores them
    main(["evaluate", "--samples", str(tmp_path / "s.npz"), "--reference", "cifar10", "--features", "cifar10-resnet"])
    printed = capsys.readouterr()
    assert "Fréchet distance" in printed.out
    assert "kernel distance" not in printed.out
    assert printed.err.count("only the stored moments of cifar10 are at hand") == 1
    # Of both measurements, once.
    assert printed.err.count("comes out too high") == 1


def test_an_array_without_a_name_is_refused(tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "s.npy", np.zeros((4, 2)))
    with pytest.raises(SystemExit):
        main(["evaluate", "--samples", str(tmp_path / "s.npy"), "--reference", "25gaussians"])
    assert "s.npy is not a readable .npz file: it holds one array without a name" in capsys.readouterr().err


def test_a_file_of_another_kind_is_not_offered_to_be_unpickled(tmp_path: Path, capsys) -> None:
    (tmp_path / "s.npz").write_text("no samples")
    with pytest.raises(SystemExit):
        main(["evaluate", "--samples", str(tmp_path / "s.npz"), "--reference", "25gaussians"])
    said = capsys.readouterr().err
    assert "s.npz is not a readable .npz file: it is of another kind, or damaged" in said
    assert "pickle" not in said
