"""`wasserflow refine --method gmi`: the library's samples, its settings on record, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from test_refine import refused, run

import wasserflow as wf
from wasserflow.cli.names.images import IMAGE_SETS
from wasserflow.cli.names.real_samples import training_samples
from wasserflow.cli.running.streaming import equal_groups
from wasserflow.cli.settings import inference
from wasserflow.data.images import LabelledImages, to_float
from wasserflow.densities import MedianBandwidth, ReferenceFeatures
from wasserflow.models import zoo

pytestmark = pytest.mark.filterwarnings("ignore:a Fréchet distance:UserWarning")

GMI = ("--method", "gmi", "--progress", "false")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Images other than those that results are measured against."""
    path = tmp_path / "other.npz"
    np.savez(path, samples=np.random.default_rng(1).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8))
    return path


def test_images_equal_the_library_group_by_group(images: str, other: Path, tmp_path: Path) -> None:
    settings = ("--weights", "[5.0, 7.0, 3.0]", "--steps", 2, "--bandwidth-factor", 2.0, "--references", 20)
    run(
        "refine",
        "--model",
        images,
        *GMI,
        *settings,
        "--real",
        other,
        "--batch-size",
        4,
        "--n",
        7,
        "--out",
        tmp_path / "x",
    )
    pair = zoo.load(images)
    real = to_float(torch.from_numpy(np.load(other)["samples"]).permute(0, 3, 1, 2)[:20])
    seeds, after = wf.sample_seeds(0, 7), []
    for group in (seeds[:4], seeds[4:]):
        r = wf.methods.gmi(
            pair.generator,
            pair.prior.sample(len(group), group),
            features=pair.critic.features,
            real=ReferenceFeatures.of(pair.critic.features, real),
            log_likelihood=pair.critic,
            weights=(5.0, 7.0, 3.0),
            density=wf.KernelDensity(MedianBandwidth(2.0)),
            steps=2,
            seed=group,
        )
        after.append(wf.data.images.to_uint8(r.samples).permute(0, 2, 3, 1))
    stored = np.load(tmp_path / "x" / "samples.npz")
    assert np.abs(stored["after"].astype(int) - torch.cat(after).numpy()).max() <= 1
    assert (stored["after"] != stored["before"]).mean() > 0.1


def test_points_equal_the_library_and_the_record_says_how(toy: str, tmp_path: Path) -> None:
    settings = ("--density", "kernel-ridge", "--ridge", 0.5, "--mollifier", 0.2, "--references", 50, "--space", "data")
    run(
        "refine",
        "--model",
        toy,
        *GMI,
        *settings,
        "--weights",
        "[0.2, 0.3, 0.1]",
        "--n",
        6,
        "--steps",
        3,
        "--out",
        tmp_path / "x",
    )
    pair, seeds = zoo.load(toy), wf.sample_seeds(0, 6)
    with torch.no_grad():
        x0 = pair.generator(pair.prior.sample(6, seeds))
    density = wf.KernelRidge(0.5, MedianBandwidth(0.2), mollifier=0.2)
    real = training_samples("25gaussians", "25gaussians", 50, "gmi", "")
    options = {"density": density, "weights": (0.2, 0.3, 0.1), "steps": 3, "seed": seeds}
    expected = wf.methods.gmi(None, x0, real=real, log_likelihood=pair.critic, **options).samples
    np.testing.assert_allclose(np.load(tmp_path / "x" / "samples.npz")["after"], expected, atol=1e-5)
    record = json.loads((tmp_path / "x" / "run.json").read_text())
    recorded = record["config"]
    assert (recorded["method"], recorded["weights"], recorded["steps"]) == ("gmi", [0.2, 0.3, 0.1], 3)
    assert (recorded["density"], recorded["ridge"], recorded["mollifier"]) == ("kernel-ridge", 0.5, 0.2)
    assert (recorded["references"], recorded["batch_size"]) == (50, 1000)
    assert record["evaluations"] == 18


@pytest.mark.parametrize("density", ["kernel-density", "kernel-ridge", "stein"])
def test_the_same_command_gives_the_same_samples(toy: str, tmp_path: Path, density: str) -> None:
    words = ("refine", "--model", toy, *GMI, "--density", density, "--n", 6, "--steps", 2, "--references", 30)
    for name in ("first", "second"):
        run(*words, "--out", tmp_path / name)
    first, second = (np.load(tmp_path / name / "samples.npz")["after"] for name in ("first", "second"))
    assert (first == second).all()
    assert (first != np.load(tmp_path / "first" / "samples.npz")["before"]).any()


def test_the_models_card_may_choose(toy: str, tmp_path: Path) -> None:
    card = Path(toy) / "card.json"
    content = json.loads(card.read_text())
    content["refine"]["gmi"] = {"weights": [0.3, 0.0, 0.2], "steps": 4}
    card.write_text(json.dumps(content))
    run("refine", "--model", toy, *GMI, "--n", 3, "--steps", 2, "--out", tmp_path / "x")
    config = json.loads((tmp_path / "x" / "run.json").read_text())["config"]
    assert (config["weights"], config["steps"]) == ([0.3, 0.0, 0.2], 2)


def test_references_are_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def read(name: str, split: str) -> LabelledImages:
        asked.append((name, split))
        return LabelledImages(torch.arange(8, dtype=torch.uint8).reshape(8, 1, 1, 1), torch.zeros(8).long())

    for name in ("cifar10", "mnist"):
        reading = partial(read, name)
        monkeypatch.setitem(IMAGE_SETS, name, replace(IMAGE_SETS[name], read=reading))
    options = inference.InferenceOptions(references=3)
    assert inference.real_samples(options, "cifar10").flatten().tolist() == [0, 1, 2]
    inference.real_samples(inference.InferenceOptions(references=3, real="mnist"), "cifar10")
    assert asked == [("cifar10", "train"), ("mnist", "train")]
    with pytest.raises(ValueError, match="references is 9, but cifar10 has 8"):
        inference.real_samples(inference.InferenceOptions(references=9), "cifar10")
    assert inference.real_samples(inference.InferenceOptions((1, 0, 1)), "cifar10") is None


def test_without_real_data_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv("WASSERFLOW_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: (_ for _ in ()).throw(OSError("offline")))
    said = refused(capsys, "refine", "--model", "cifar10-sndcgan", *GMI, "--n", 4, "--out", tmp_path / "x")
    assert "gmi needs real samples" in said
    assert "WASSERFLOW_DATA" in said
    assert "--weights '[0.3, 0, 0.2]'" in said
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--step-size", 0.1), "step_size is 0.1, but gmi has none"),
        (("--ridge", 0.1), "ridge is 0.1, but kernel-density has none"),
        (("--density", "stein", "--mollifier", 0.1), "mollifier is 0.1, but stein has none"),
        (("--density", "stein", "--ridge", -1.0), "ridge is -1.0"),
        (("--bandwidth-factor", 0.0), "factor is 0.0"),
        (("--mollifier", -0.5), "mollifier is -0.5"),
        (("--references", 0), "references is 0"),
        (("--steps", 0), "steps is 0"),
        (("--batch-size", 2), "groups of 2 and 1"),
        (("--weights", "[.inf, 0, 0]"), "weights is"),
        (("--density", "nope"), "nope"),
    ],
)
def test_bad_settings_are_refused_by_name(toy: str, tmp_path: Path, capsys, words: tuple, named: str) -> None:
    assert named in refused(capsys, "refine", "--model", toy, *GMI, "--n", 3, "--out", tmp_path / "x", *words)
    assert not (tmp_path / "x").exists()


def test_what_measures_does_not_attract(images: str, tmp_path: Path, capsys) -> None:
    assert "--real" in refused(capsys, "refine", "--model", images, *GMI, "--out", tmp_path / "x")


def test_settings_of_gmi_are_refused_elsewhere(toy: str, tmp_path: Path, capsys) -> None:
    said = refused(capsys, "refine", "--model", toy, "--out", tmp_path / "x", "--density", "stein")
    assert "density is stein, but dgflow has none" in said


def test_groups_are_equal() -> None:
    assert [len(group) for group in equal_groups(torch.arange(11), 5)] == [4, 4, 3]
    assert equal_groups(torch.arange(11), 5)[1].tolist() == [4, 5, 6, 7]
    assert equal_groups(torch.arange(0), 5) == ()
