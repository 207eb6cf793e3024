"""`wasserflow reproduce 25gaussians`: published settings, honest numbers, files, stopping and going on."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from models import toy_pair

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.reproduce import gaussians, gaussians_table
from wasserflow.cli.train import wgan_gp as train_commands
from wasserflow.data.toy import Gaussians25
from wasserflow.metrics.toy import high_quality_fraction, wasserstein2

METHODS = ["GAN", "DOT", "DDLS", "DGflow KL", "DGflow JS", "DGflow logD", "true samples"]


def run(*words: object) -> None:
    main(["reproduce", "25gaussians", *(str(word) for word in words), "--progress", "false"])


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as stop:
        run(*words)
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussians, "save_figures", lambda *arguments: [])


def test_files_and_table(toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    run("--model", toy, "--out", out, "--repeats", 1, "--n", 200)
    for name in ("samples.png", "velocity.png", "latent_density.png"):
        assert (out / name).read_bytes()[:4] == b"\x89PNG"
    table = json.loads((out / "table.json").read_text())
    assert [row["method"] for row in table["rows"]] == METHODS
    assert (table["n"], table["repeats"], table["kde_points"], table["w2_points"]) == (200, 1, 5_000, 200)
    published = {row["method"]: tuple(row["published"].values()) for row in table["rows"]}
    assert published["GAN"] == (26.5, -7037)
    assert published["DOT"] == (69.8, -4149)
    assert published["DDLS"] == (89.3, -2997)
    assert published["DGflow KL"] == (89.5, -2893)
    assert published["DGflow JS"] == (82.6, -3118)
    assert published["DGflow logD"] == (84.5, -3036)
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["evaluations"] == 200 * (4 * 100 + 50)
    assert record["metrics"] == table["rows"]
    assert table["training"] == wf.zoo.card(toy).training
    said = capsys.readouterr().out
    assert "-2893" in said
    assert "exact W2 between 200 samples" in said


def test_rows_are_the_published_settings(toy: str, tmp_path: Path, no_figures: None) -> None:
    run("--model", toy, "--out", tmp_path / "run", "--repeats", 1, "--n", 40, "--seed", 4)
    samples = {name: torch.from_numpy(array) for name, array in np.load(tmp_path / "run" / "samples.npz").items()}
    pair = wf.zoo.load(toy)
    seed = gaussians_table.repeat_seeds(4, 0)[0]
    latents = pair.prior.sample(40, seed)
    base = pair.generator(latents).detach()
    integrator = wf.EulerMaruyama(step_size=0.01, temperature=0.01)
    for name, divergence in (("KL", wf.KL()), ("JS", wf.JensenShannon()), ("logD", wf.LogD())):
        expected = wf.refine(pair.critic, base, None, divergence, integrator, steps=100, seed=seed)
        torch.testing.assert_close(samples[f"DGflow {name}"], expected.samples)
    ddls = wf.methods.ddls(
        pair.critic, latents, pair.generator, prior=pair.prior, step_size=0.01, noise_scale=0.1, steps=50, seed=seed
    )
    dot = wf.methods.dot(pair.critic, base, lr=0.01, betas=(0.0, 0.9), steps=100, seed=seed)
    torch.testing.assert_close(samples["GAN"], base)
    torch.testing.assert_close(samples["DDLS"], ddls.samples)
    torch.testing.assert_close(samples["DOT"], dot.samples)


def test_scores_are_of_the_samples(toy: str, tmp_path: Path, no_figures: None) -> None:
    run("--model", toy, "--out", tmp_path / "run", "--repeats", 1, "--n", 60)
    samples = np.load(tmp_path / "run" / "samples.npz")
    scores = json.loads((tmp_path / "run" / "repeats" / "0.json").read_text())["scores"]
    data = Gaussians25()
    fresh = data.sample(60, gaussians_table.repeat_seeds(0, 0)[2])
    for name in METHODS:
        cloud = torch.from_numpy(samples[name])
        fraction = high_quality_fraction(cloud, data.means, data.std)
        assert scores[name]["high_quality_percent"] == pytest.approx(100 * fraction)
        assert scores[name]["wasserstein2"] == pytest.approx(wasserstein2(cloud, fresh))
    assert scores["true samples"]["high_quality_percent"] > 95
    assert scores["true samples"]["kde_score"] > scores["GAN"]["kde_score"]


def test_mean_and_spread_over_repeats() -> None:
    scores = [{name: dict.fromkeys(gaussians_table.METRICS, value) for name in METHODS} for value in (1.0, 3.0)]
    both, one = gaussians_table.summary(scores)[0], gaussians_table.summary(scores[:1])[0]
    assert both["measured"]["kde_score"] == {"mean": 2.0, "std": pytest.approx(math.sqrt(2))}
    assert one["measured"]["kde_score"] == {"mean": 1.0, "std": None}


def test_repeats_are_fresh_and_those_of_a_longer_run(toy: str, tmp_path: Path, no_figures: None) -> None:
    run("--model", toy, "--out", tmp_path / "one", "--repeats", 1, "--n", 30)
    run("--model", toy, "--out", tmp_path / "two", "--repeats", 2, "--n", 30)
    first, second = ((tmp_path / "two" / "repeats" / f"{number}.json").read_text() for number in (0, 1))
    assert first == (tmp_path / "one" / "repeats" / "0.json").read_text()
    assert first != second
    seeds = [gaussians_table.repeat_seeds(seed, number) for seed in (0, 1) for number in (0, 1)]
    assert len({value for four in seeds for value in four}) == 16


def test_stopped_run_keeps_its_repeats_and_goes_on(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_figures: None
) -> None:
    words = ("--model", toy, "--repeats", 2, "--n", 20)
    run(*words, "--out", tmp_path / "whole")
    real, asked = gaussians.run_repeat, []

    def stop_at_second(pair, n, seed, number, done):
        asked.append(number)
        if number == 1 and asked.count(1) == 1:
            raise KeyboardInterrupt
        return real(pair, n, seed, number, done)

    monkeypatch.setattr(gaussians, "run_repeat", stop_at_second)
    out = tmp_path / "stopped"
    with pytest.raises(SystemExit) as stop:
        run(*words, "--out", out)
    assert stop.value.code == 130
    assert "1 of 2 repeats" in capsys.readouterr().err
    record = json.loads((out / "run.json").read_text())
    assert (record["status"], record["finished"]) == ("interrupted", 1)
    assert "--overwrite" in refused(capsys, *words, "--out", out)
    assert "'n': 20" in refused(capsys, *words[:-1], 21, "--out", out, "--resume")
    run(*words, "--out", out, "--resume")
    assert asked == [0, 1, 1]
    assert json.loads((out / "run.json").read_text())["status"] == "finished"
    assert (out / "table.json").read_text() == (tmp_path / "whole" / "table.json").read_text()


def test_overwrite_forgets_the_earlier_repeats(toy: str, tmp_path: Path, no_figures: None) -> None:
    out = tmp_path / "run"
    run("--model", toy, "--out", out, "--repeats", 2, "--n", 20)
    run("--model", toy, "--out", out, "--repeats", 1, "--n", 25, "--overwrite")
    assert [path.name for path in (out / "repeats").iterdir()] == ["0.json"]
    assert json.loads((out / "table.json").read_text())["n"] == 25


def test_a_pair_is_trained_first_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_figures: None) -> None:
    train, asked = train_commands.train_wgan_gp, {}

    def small(out: Path, data: str, **settings: object) -> None:
        asked.update(settings, data=data)
        train(out, data, **(settings | {"width": 8, "layers": 1, "iterations": 2, "points": 2_000}))

    monkeypatch.setattr(train_commands, "train_wgan_gp", small)
    out = tmp_path / "run"
    run("--train", "--out", out, "--repeats", 1, "--n", 20)
    # What is trained is what is shipped: the card's command, option by option.
    words = shlex.split(wf.zoo.card("25gaussians").command)
    assert words[:3] == ["wasserflow", "train", "wgan-gp"]
    shipped = dict(zip(words[3::2], words[4::2], strict=True))
    del shipped["--out"], asked["resume"], asked["progress"]
    assert shipped == {f"--{name}": str(value) for name, value in asked.items()}
    assert wf.zoo.load(out / "pair" / "model").card.data == "25gaussians"
    assert json.loads((out / "table.json").read_text())["model"] == "trained here"


def test_bad_input_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy = toy_pair(tmp_path / "toy")
    words = ("--model", toy, "--out", tmp_path / "x")
    assert "repeats is 0" in refused(capsys, *words, "--repeats", 0)
    assert "n is -1" in refused(capsys, *words, "--n", -1)
    assert "both given" in refused(capsys, *words, "--resume", "--overwrite")
    assert "'nope'" in refused(capsys, "--model", "nope", "--out", tmp_path / "x")
    card = json.loads((Path(toy) / "card.json").read_text())
    (Path(toy) / "card.json").write_text(json.dumps(card | {"data": "swissroll"}))
    assert "swissroll" in refused(capsys, *words)
    assert not (tmp_path / "x").exists()


def test_damaged_repeat_is_named(
    toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_figures: None
) -> None:
    words = ("--model", toy, "--out", tmp_path / "x", "--repeats", 1, "--n", 10)
    run(*words)
    (tmp_path / "x" / "repeats" / "0.json").write_text("{")
    assert "0.json" in refused(capsys, *words, "--resume")
