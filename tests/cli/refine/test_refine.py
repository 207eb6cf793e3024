"""`wasserflow refine`: what it leaves, what it refuses, and that streaming changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stopping import stopped_after

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.models import zoo
from wasserflow.ratios import lipschitz_constant
from wasserflow.seeds import subseed

pytestmark = pytest.mark.filterwarnings("ignore:a Fréchet distance:UserWarning")


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a refused command says, on one line and without a traceback."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def run(*words: object) -> None:
    main([str(word) for word in words])


def test_points_leave_every_file_and_equal_the_library(toy: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run("refine", "--model", toy, "--out", out, "--n", 7, "--seed", 3, "--progress", "false")
    arrays = dict(np.load(out / "samples.npz"))
    assert arrays["before"].shape == arrays["after"].shape == (7, 2)
    assert arrays["after"].dtype == np.float32
    pair = zoo.load(toy)
    seeds = wf.sample_seeds(3, 7)
    x0 = pair.generator(pair.prior.sample(7, seeds)).detach()
    rule = wf.EulerMaruyama(0.02, 0.01)
    expected = wf.refine(pair.critic, x0, divergence=wf.JensenShannon(), integrator=rule, steps=3, seed=seeds)
    np.testing.assert_allclose(arrays["before"], x0, atol=1e-6)
    np.testing.assert_allclose(arrays["after"], expected.samples, atol=1e-6)
    for name in ("before.png", "after.png", "trajectory.gif"):
        with Image.open(out / name) as picture:
            picture.verify()


def test_the_record_says_what_was_done(toy: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run("refine", "--model", toy, "--out", out, "--n", 6, "--method", "dot", "--step-size", 0.05, "--steps", 2)
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["evaluations"] == 12
    assert record["finished"] == 6
    assert record["config"]["method"] == "dot"
    assert record["config"]["step_size"] == 0.05
    assert record["versions"]["torch"] == torch.__version__
    for side in ("before", "after"):
        numbers = record["metrics"][side]
        assert numbers["kde_score"] < 0
        assert 0 <= numbers["high_quality_percent"] <= 100


def test_images_are_stored_as_bytes_and_measured(images: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    run("refine", "--model", images, "--out", out, "--n", 9, "--batch-size", 4)
    arrays = dict(np.load(out / "samples.npz"))
    assert arrays["before"].shape == (9, 32, 32, 3)
    assert arrays["before"].dtype == arrays["after"].dtype == np.uint8
    with Image.open(out / "trajectory.gif") as animation:
        assert animation.n_frames == 3
    said = capsys.readouterr().out
    assert "Fréchet distance" in said
    assert "before.png" in said
    record = json.loads((out / "run.json").read_text())
    assert record["metrics"]["before"]["reference_samples"] == 40


@pytest.mark.parametrize("method", ["dgflow", "ddls", "mala"])
def test_batches_and_larger_runs_change_no_sample(toy: str, tmp_path: Path, method: str) -> None:
    # Points, because the bytes of an untrained image generator hardly differ from sample to sample.
    latent = ("--space", "latent") if method == "dgflow" else ()
    words = ("refine", "--model", toy, "--method", method, *latent, "--steps", 2, "--step-size", 0.1)
    run(*words, "--out", tmp_path / "whole", "--n", 6)
    run(*words, "--out", tmp_path / "cut", "--n", 4, "--batch-size", 3)
    whole, cut = (np.load(tmp_path / name / "samples.npz") for name in ("whole", "cut"))
    for name in ("before", "after"):
        np.testing.assert_allclose(whole[name][:4], cut[name], atol=1e-5)
        assert np.abs(whole[name][0] - whole[name][3]).max() > 1e-3
    assert (whole["after"] != whole["before"]).any()


@pytest.mark.parametrize("space", ["latent", "data"])
def test_dot_depends_neither_on_batches_nor_on_the_size_of_the_run(toy: str, tmp_path: Path, space: str) -> None:
    words = ("refine", "--model", toy, "--method", "dot", "--space", space, "--steps", 3, "--step-size", 0.1)
    for name, n, size in (("whole", 6, 6), ("cut", 4, 3), ("one", 1, 1)):
        run(*words, "--out", tmp_path / name, "--n", n, "--batch-size", size)
    whole, cut, one = (np.load(tmp_path / name / "samples.npz")["after"] for name in ("whole", "cut", "one"))
    np.testing.assert_allclose(whole[:4], cut, atol=1e-5)
    np.testing.assert_allclose(whole[:1], one, atol=1e-5)

    pair, seeds = zoo.load(toy), wf.sample_seeds(0, 6)
    latents, pairs = pair.prior.sample(6, seeds), pair.prior.sample(1_000, subseed(0, "pairs"))
    function, start, paired, options = pair.critic, pair.generator(latents), pair.generator(pairs), {}
    if space == "latent":
        function, start, paired = lambda z: pair.critic(pair.generator(z)), latents, pairs
        options = {"generator": pair.generator, "prior": pair.prior}
    constant = lipschitz_constant(function, paired.detach())
    moved = wf.methods.dot(pair.critic, start.detach(), lipschitz=constant, lr=0.1, steps=3, **options).samples
    np.testing.assert_allclose(whole, moved, atol=1e-5)


def test_another_seed_gives_other_samples(toy: str, tmp_path: Path) -> None:
    for seed in (0, 1):
        run("refine", "--model", toy, "--out", tmp_path / str(seed), "--n", 5, "--seed", seed)
    first, second = (np.load(tmp_path / str(seed) / "samples.npz")["before"] for seed in (0, 1))
    assert (first != second).all()


def test_unknown_model_lists_the_shipped_ones(tmp_path: Path, capsys) -> None:
    said = refused(capsys, "refine", "--model", "nope", "--out", tmp_path / "x")
    assert "'nope'" in said
    for name in zoo.names():
        assert name in said


def test_existing_out_is_refused_and_replaced_on_demand(toy: str, tmp_path: Path, capsys) -> None:
    words = ("refine", "--model", toy, "--out", tmp_path / "x", "--n", 2)
    run(*words)
    assert "--overwrite" in refused(capsys, *words)
    run(*words, "--seed", 5, "--overwrite")
    assert json.loads((tmp_path / "x" / "run.json").read_text())["seeds"] == 5


@pytest.mark.parametrize("damage", [b"", b"x" * 20])
def test_damaged_weights_are_named(toy: str, tmp_path: Path, capsys, damage: bytes) -> None:
    (Path(toy) / "critic.safetensors").write_bytes(damage)
    said = refused(capsys, "refine", "--model", toy, "--out", tmp_path / "x")
    assert "critic.safetensors" in said
    assert not (tmp_path / "x").exists()


def test_truncated_weights_are_named(toy: str, tmp_path: Path, capsys) -> None:
    file = Path(toy) / "generator.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    assert "generator.safetensors" in refused(capsys, "refine", "--model", toy, "--out", tmp_path / "x")


def test_damaged_card_is_named(toy: str, tmp_path: Path, capsys) -> None:
    (Path(toy) / "card.json").write_text("{")
    assert "card.json" in refused(capsys, "refine", "--model", toy, "--out", tmp_path / "x")


@pytest.mark.parametrize("content", ["model: [", "just words", ""])
def test_damaged_config_is_named(tmp_path: Path, capsys, content: str) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(content)
    assert "settings.yaml" in refused(capsys, "refine", "--config", config)


def test_options_from_a_config_file(toy: str, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(f"model: {toy}\nout: {tmp_path / 'x'}\nn: 3\nsteps: 4\n")
    run("refine", "--config", config, "--n", 2)
    record = json.loads((tmp_path / "x" / "run.json").read_text())
    assert (record["config"]["n"], record["config"]["steps"]) == (2, 4)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--n", 0), "n is 0"),
        (("--batch-size", -1), "batch_size is -1"),
        (("--steps", 0), "steps is 0"),
        (("--step-size", -0.1), "step_size is -0.1"),
        (("--method", "dot", "--temperature", 0.1), "temperature is 0.1"),
        (("--devices", 0), "devices is 0"),
        (("--method", "nope"), "nope"),
        (("--tolerance", -1), "tolerance is -1"),
        (("--tolerance", 0.1, "--step-size", 0.1), "step_size is 0.1 and tolerance 0.1"),
        (("--method", "dot", "--tolerance", 0.1), "tolerance is 0.1, but dot has none"),
        (("--method", "dot", "--match-quantiles", "true"), "match_quantiles is for dgflow"),
        (("--match-quantiles", "true", "--references", 1), "references is 1"),
    ],
)
def test_bad_options_are_refused_by_name(toy: str, tmp_path: Path, capsys, words: tuple, named: str) -> None:
    assert named in refused(capsys, "refine", "--model", toy, "--out", tmp_path / "x", *words)


def test_controlled_steps_stop_at_the_log_ratios_of_real_points(toy: str, tmp_path: Path) -> None:
    """Batches change nothing, samples stop one by one, and those that need no step are returned as they were."""
    words = ("--tolerance", 0.05, "--match-quantiles", "true", "--references", 300, "--steps", 40, "--n", 60)
    for name, size in (("whole", 60), ("parts", 13)):
        run("refine", "--model", toy, *words, "--batch-size", size, "--out", tmp_path / name)
    whole, parts = (np.load(tmp_path / name / "samples.npz") for name in ("whole", "parts"))
    np.testing.assert_allclose(whole["after"], parts["after"], rtol=1e-4, atol=1e-5)
    steps = whole["steps"]
    assert (steps == parts["steps"]).all()
    assert steps.min() < steps.max()
    moved = np.abs(whole["after"] - whole["before"]).max(axis=1) > 0
    assert (moved[steps == 0] == 0).all()
    record = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert record["config"]["tolerance"] == 0.05
    assert record["config"]["step_size"] is None
    assert record["config"]["match_quantiles"] is True
    assert record["config"]["references"] == 300
    assert record["evaluations"] < 60 * 41


def test_the_animation_shows_the_images_of_the_pictures(images: str, tmp_path: Path) -> None:
    run("refine", "--model", images, "--n", 7, "--batch-size", 3, "--out", tmp_path / "x", "--progress", "false")
    with Image.open(tmp_path / "x" / "trajectory.gif") as film, Image.open(tmp_path / "x" / "after.png") as after:
        assert film.size == after.size
        film.seek(film.n_frames - 1)
        gap = np.abs(np.asarray(film.convert("RGB"), dtype=int) - np.asarray(after.convert("RGB"), dtype=int))
    assert gap.mean() < 8, "a GIF has few colours"


def test_interrupted_run_keeps_what_is_finished(toy: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    stopped_after(4, "refine", "--model", toy, "--out", out, "--n", 10, "--batch-size", 2)
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert record["finished"] == 4
    assert len(np.load(out / "samples.npz")["after"]) == 4
    assert "4 of 10" in capsys.readouterr().err
