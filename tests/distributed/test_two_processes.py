"""Two CPU processes give the samples of one, seed for seed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
from models import toy_pair


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
