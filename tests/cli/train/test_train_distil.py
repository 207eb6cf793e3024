"""`wasserflow train distil`: a generator learns the samples of a refinement."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from models import feature_net, toy_ratio

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.training.regression import LeastSquares


def refined(model: str, out: Path, *words: str) -> Path:
    settings = ["--n", "40", "--steps", "2", "--step-size", "0.5", "--temperature", "0", "--seed", "7"]
    main(["refine", "--model", model, "--out", str(out), "--progress", "false", *settings, *words])
    return out


def distilled(run: Path, out: Path, *words: str) -> None:
    main(["train", "distil", "--refined", str(run), "--out", str(out), "--progress", "false", *words])


def moves_explained(model: str, made: Path, run: Path) -> float:
    """How much nearer the new generator comes to the refined samples it was taught, of what refinement moved them."""
    pair, arrays = wf.zoo.load(model), np.load(run / "samples.npz")
    after = torch.from_numpy(arrays["after"]).float()
    z = pair.prior.sample(40, seed=7)[arrays.get("places", np.arange(40))]
    with torch.no_grad():
        left, moved = (wf.zoo.load(m).generator(z) - after for m in (made, model))
    return 1 - float(left.square().sum() / moved.square().sum())


def test_points_are_compared_as_they_are(toy: str, tmp_path: Path, capsys) -> None:
    card = json.loads((Path(toy) / "card.json").read_text())
    card["refine"]["steps"] = 25
    (Path(toy) / "card.json").write_text(json.dumps(card))
    run = refined(toy, tmp_path / "run")
    distilled(run, tmp_path / "made", "--iterations", "400", "--lr", "0.01")
    assert moves_explained(toy, tmp_path / "made" / "model", run) > 0.8
    assert "40 samples of --seed 7" in capsys.readouterr().out
    pair, made = wf.zoo.load(toy), wf.zoo.load(tmp_path / "made" / "model")
    torch.testing.assert_close(made.critic.state_dict(), pair.critic.state_dict(), rtol=0, atol=0)
    assert made.card.refine == {**pair.card.refine, "steps": 5}
    assert "--seed 7" in made.card.limits


def test_images_are_compared_in_features(images: str, tmp_path: Path) -> None:
    run = refined(images, tmp_path / "run")
    distilled(run, tmp_path / "made", "--features", str(tmp_path / "net"), "--iterations", "3", "--batch-size", "8")
    one, other = (wf.zoo.load(model) for model in (images, tmp_path / "made" / "model"))
    z = one.prior.sample(3, seed=1)
    assert not torch.equal(one.generator(z), other.generator(z))


def test_a_run_that_was_stopped_teaches_what_it_finished(toy: str, tmp_path: Path) -> None:
    run = refined(toy, tmp_path / "run")
    places = np.r_[:12, 20:28]  # of two processes
    arrays = {name: values[places] for name, values in np.load(run / "samples.npz").items() if values.ndim}
    np.savez(run / "samples.npz", **arrays, places=places)
    distilled(run, tmp_path / "made", "--iterations", "400", "--lr", "0.01")
    assert moves_explained(toy, tmp_path / "made" / "model", run) > 0.8


@pytest.mark.parametrize(
    ("of", "words", "named"),
    [
        ("images", "", "features is left out; give --features"),
        ("images", "--features toy", "toy, which is no classifier"),
        ("images", "--features grey", "give a classifier of the same kind of images"),
        ("points", "--features net", "points are compared as they are; leave --features out"),
        ("points", "--iterations 0", "iterations is 0"),
        ("other seed", "", "other samples than tiny-toy makes of its seeds"),
        ("generated", "", "holds no record of a refinement"),
        ("other arrays", "", "holds samples; give the folder of a run of `wasserflow refine`"),
        ("nothing", "", "holds no record of a refinement"),
        ("broken", "", "holds no record of a refinement"),
    ],
)
def test_refusals_leave_nothing(
    toy: str, images: str, tmp_path: Path, capsys, monkeypatch, of: str, words: str, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    feature_net(tmp_path / "grey", image_channels=1)
    run = tmp_path / "run"
    if of == "generated":
        main(["generate", "--model", toy_ratio(tmp_path / "ratio"), "--n", "20", "--out", "run", "--progress", "false"])
    elif of != "nothing":
        refined(images if of == "images" else toy, run)
    if of == "other seed":
        record = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps(record | {"seeds": 8}))
    if of == "other arrays":
        np.savez(run / "samples.npz", samples=np.zeros((40, 2), np.float32))
    if of == "broken":
        (run / "run.json").write_text("{")
    with pytest.raises(SystemExit) as stop:
        distilled(run, tmp_path / "made", *words.split())
    assert stop.value.code == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_a_generator_that_learnt_nothing_is_told(toy: str, tmp_path: Path, capsys) -> None:
    distilled(refined(toy, tmp_path / "run"), tmp_path / "made", "--iterations", "2", "--lr", "1.0")
    said = capsys.readouterr()
    assert "(100: all of the refinement, 0: as the generator before)" in said.out
    assert "note: it is no better than the generator before: give more samples than 40" in said.err


def test_a_training_that_was_stopped_goes_on(toy: str, tmp_path: Path, monkeypatch, capsys) -> None:
    run, words = refined(toy, tmp_path / "run"), ("--iterations", "7", "--checkpoint-every", "2", "--lr", "0.01")
    distilled(run, tmp_path / "whole", *words)
    step = LeastSquares.training_step

    def stopped(self: LeastSquares, batch: object, batch_idx: int) -> torch.Tensor:
        if self.global_step == 5:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(LeastSquares, "training_step", stopped)
        with pytest.raises(SystemExit) as stop:
            distilled(run, tmp_path / "made", *words)
    assert stop.value.code == 130
    assert "with resume" in capsys.readouterr().err
    distilled(run, tmp_path / "made", *words, "--resume", "true")
    one, other = (wf.zoo.load(tmp_path / name / "model").generator.state_dict() for name in ("whole", "made"))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert (tmp_path / "made" / "log").is_dir()


def test_an_existing_folder_is_refused(toy: str, tmp_path: Path, capsys) -> None:
    run = refined(toy, tmp_path / "run")
    with pytest.raises(SystemExit):
        distilled(run, run)
    assert "not empty" in capsys.readouterr().err
