"""`wasserflow reproduce fdrl-toy`: its table, its figures and that the numbers are those of the experiments."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from wasserflow.cli import main
from wasserflow.cli.reproduce import fdrl_toy
from wasserflow.cli.reproduce import fdrl_toy_trainings as trainings
from wasserflow.data.toy import SwissRoll
from wasserflow.spaces import Normal

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:Found \d+ module:UserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory:UserWarning"),
]

LSIF, LOGD = "lsif-pearson", "lr-logd"


def test_the_table_and_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--seeds", "2", "--crossing-steps", "12", "--swiss-roll-steps", "2", "--seed", "5", "--progress", "false"]
    main(["reproduce", "fdrl-toy", "--out", str(tmp_path / "toy"), *words])
    printed = capsys.readouterr().out
    table = json.loads((tmp_path / "toy" / "table.json").read_text())
    assert [(row["estimator"], row["pairing"], row["target"]) for row in table["chasm"]] == [
        ("stale", "lr-logd", 1.0),
        ("stale", "lr-logd", 6.0),
        ("stale", "lsif-pearson", 6.0),
        ("flow-guided", "lsif-pearson", 6.0),
    ]
    assert [row["pairing"] for row in table["swiss_roll"]] == ["lsif-pearson", "lr-kl", "lr-js", "lr-logd"]
    for row in table["swiss_roll"]:
        assert len(row["wasserstein2"]) == 2
        assert row["wasserstein2"][0] != row["wasserstein2"][1]
        # Hardly trained: still about as far as N(0, I) is.
        assert 0.3 < row["wasserstein2"][0] < 3
        assert row["pairing"] in printed
    assert all(0.1 < w < 0.25 for w in table["data_to_data"])
    assert re.search(r"W2 ↓ +seed 5 +seed 6", printed)
    for name in ("chasm.png", "swiss_rolls.png"):
        with Image.open(tmp_path / "toy" / name) as picture:
            picture.verify()
    record = json.loads((tmp_path / "toy" / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["metrics"]["swiss_roll"] == table["swiss_roll"]


def test_an_interrupted_run_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--seeds", "1", "--crossing-steps", "3", "--swiss-roll-steps", "2", "--progress", "false"]
    begin = ["reproduce", "fdrl-toy", *words, "--out"]
    main([*begin, str(tmp_path / "whole")])
    trained: list[str] = []
    learn, stop_after = trainings.learn_swiss_roll, 2

    def learn_or_stop(out: Path, *options: Any) -> torch.Tensor:
        if len(trained) == stop_after:
            # As it is when a training is interrupted: its folder is there, its result is not.
            out.mkdir()
            (out / "last.ckpt").touch()
            raise KeyboardInterrupt
        trained.append(out.name)
        return learn(out, *options)

    monkeypatch.setattr(fdrl_toy, "learn_swiss_roll", learn_or_stop)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        main([*begin, str(tmp_path / "parts")])
    assert "6 trainings are finished and kept; go on with --resume" in capsys.readouterr().err
    stop_after = 10
    monkeypatch.setattr(fdrl_toy, "cross", None)
    main([*begin, str(tmp_path / "parts"), "--resume", "true"])
    assert trained == ["lsif-pearson-0", "lr-kl-0", "lr-js-0", "lr-logd-0"]
    whole, parts = (json.loads((tmp_path / name / "table.json").read_text()) for name in ("whole", "parts"))
    assert whole == parts
    with pytest.raises((ValueError, SystemExit)):
        main([*begin, str(tmp_path / "parts"), "--resume", "true", "--crossing-steps", "4"])
    assert "choose another --out" in capsys.readouterr().err


def test_the_crossing_is_seen_and_measured(tmp_path: Path) -> None:
    crossing = trainings.cross(tmp_path / "run", LSIF, guided=True, target=6.0, iterations=11, seed=0, progress=False)
    assert crossing.means.shape == (11, 2)
    assert list(crossing.clouds) == [10]
    torch.testing.assert_close(crossing.clouds[10].mean(dim=0), crossing.means[9])
    far = trainings.Crossing(torch.zeros(1, 2), {}, torch.tensor([[6.0, 5.0], [6.2, 5.0]]), 6.0)
    assert far.miss == pytest.approx(1.0)
    assert trainings.Crossing(torch.zeros(1, 2), {}, None, 6.0).miss == math.inf


def test_the_start_of_the_crossing_is_the_papers(tmp_path: Path) -> None:
    crossing = trainings.cross(tmp_path / "run", LSIF, guided=False, target=1.0, iterations=10, seed=0, progress=False)
    # The stale estimator learns on the source itself, N(0, 0.1 I).
    cloud = crossing.clouds[10]
    assert cloud.mean(dim=0).abs().max() < 0.1
    assert cloud.std().item() == pytest.approx(0.1**0.5, rel=0.12)


def test_distances_are_to_points_no_training_has_seen() -> None:
    x = SwissRoll().sample(200, seed=7)
    assert 0.1 < trainings.distance_to_fresh_data(x, seed=0) < 0.5
    assert trainings.distance_to_fresh_data(Normal(2).sample(200, seed=0) + 3, seed=0) > 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 6])
def test_the_flow_guided_estimator_crosses(seed: int, tmp_path: Path) -> None:
    guided = trainings.cross(tmp_path / "guided", LSIF, True, 6.0, iterations=1_000, seed=seed, progress=False)
    assert guided.miss < 0.15


@pytest.mark.slow
def test_the_stale_estimator_does_not_cross_unless_the_way_is_short(tmp_path: Path) -> None:
    for pairing in (LSIF, LOGD):
        stale = trainings.cross(tmp_path / pairing, pairing, False, 6.0, iterations=1_000, seed=0, progress=False)
        assert stale.miss > 2
    near = trainings.cross(tmp_path / "near", LOGD, False, 1.0, iterations=1_000, seed=0, progress=False)
    assert near.miss < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("pairing", "bar"), [("lsif-pearson", 0.2), ("lr-kl", 0.2), ("lr-js", 0.3), ("lr-logd", 0.3)])
def test_every_pairing_learns_the_swiss_roll(pairing: trainings.PairingName, bar: float, tmp_path: Path) -> None:
    samples = trainings.learn_swiss_roll(tmp_path / "run", pairing, 1_500, seed=0, progress=False)
    assert trainings.distance_to_fresh_data(samples, seed=0) <= bar
