"""Two CPU processes give the samples of one, seed for seed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import wasserflow as wf

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
from models import toy_pair, toy_ratio


def test_two_processes_give_the_samples_of_one(tmp_path: Path) -> None:
    model = toy_pair(tmp_path / "toy")
    command = [sys.executable, "-m", "wasserflow.cli", "refine", "--model", model, "--n", "9", "--batch-size", "2"]
    for devices in ("1", "2"):
        out = tmp_path / devices
        subprocess.run([*command, "--devices", devices, "--out", str(out)], check=True, timeout=300)
    one, two = (dict(np.load(tmp_path / devices / "samples.npz")) for devices in ("1", "2"))
    assert set(one) == set(two)
    for name in ("before", "after", "steps"):
        np.testing.assert_allclose(one[name], two[name], atol=1e-6)
    records = [json.loads((tmp_path / devices / "run.json").read_text()) for devices in ("1", "2")]
    assert records[0]["evaluations"] == records[1]["evaluations"] == 27
    assert not list((tmp_path / "2").glob("part-*"))


def test_the_first_of_two_processes_measures_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wasserflow.cli", "refine", "--model", "cifar10-vae", "--n", "24", "--steps", "2"]
    for devices in ("1", "2"):
        out = ["--devices", devices, "--out", str(tmp_path / devices)]
        subprocess.run([*command, *out], check=True, timeout=300)
    one, two = (json.loads((tmp_path / devices / "run.json").read_text()) for devices in ("1", "2"))
    assert one["status"] == two["status"] == "finished"
    for when in ("before", "after"):
        score, other = (record["metrics"][when]["inception_score"] for record in (one, two))
        assert abs(score - other) < 0.01 * score


def test_two_processes_move_whole_groups(tmp_path: Path) -> None:
    model = toy_pair(tmp_path / "toy")
    command = [sys.executable, "-m", "wasserflow.cli", "refine", "--model", model, "--method", "gmi", "--n", "11"]
    settings = ["--batch-size", "4", "--references", "40", "--steps", "3", "--density", "kernel-ridge"]
    for name, more in (("one", []), ("two", ["--devices", "2"]), ("whole", ["--batch-size", "11"])):
        subprocess.run([*command, *settings, *more, "--out", str(tmp_path / name)], check=True, timeout=300)
    one, two, whole = (np.load(tmp_path / name / "samples.npz") for name in ("one", "two", "whole"))
    for name in ("before", "after", "steps"):
        np.testing.assert_allclose(one[name], two[name], atol=1e-6)
    # Groups matter: all eleven together would have gone elsewhere.
    np.testing.assert_allclose(one["before"], whole["before"], atol=1e-6)
    assert np.abs(one["after"] - whole["after"]).max() > 1e-3
    records = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("one", "two")]
    assert records[0]["evaluations"] == records[1]["evaluations"] == 33


def test_two_processes_generate_the_samples_of_one(tmp_path: Path) -> None:
    model = toy_ratio(tmp_path / "ratio")
    command = [sys.executable, "-m", "wasserflow.cli", "generate", "--model", model, "--n", "9", "--batch-size", "2"]
    for devices in ("1", "2"):
        out = tmp_path / devices
        subprocess.run([*command, "--devices", devices, "--num-nodes", "1", "--out", str(out)], check=True, timeout=300)
    one, two = (np.load(tmp_path / devices / "samples.npz")["samples"] for devices in ("1", "2"))
    np.testing.assert_allclose(one, two, atol=1e-6)
    # The flow matters, and so does each seed.
    assert len(np.unique(one.round(4), axis=0)) == 9
    expected = wf.zoo.load(model).model.generate(9, extra_steps=20, seed=0)
    np.testing.assert_allclose(two, expected, atol=1e-5)
    records = [json.loads((tmp_path / devices / "run.json").read_text()) for devices in ("1", "2")]
    assert records[0]["evaluations"] == records[1]["evaluations"] == 9 * 23
    assert [record["finished"] for record in records] == [9, 9]
    assert not list((tmp_path / "2").glob("part-*"))
    for name in ("grid.png", "trajectory.gif"):
        assert (tmp_path / "2" / name).is_file()
