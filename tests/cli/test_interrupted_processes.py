"""Two processes that are interrupted leave what both have finished, and end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from models import toy_pair

import wasserflow as wf
from wasserflow.cli import main

_N = 4_000


def started(model: str, out: Path) -> subprocess.Popen[bytes]:
    """A run that takes minutes, in a group of its own as in a terminal, once its first process has samples."""
    words = ["refine", "--model", model, "--n", str(_N), "--batch-size", "2", "--steps", "100", "--devices", "2"]
    log = out.with_suffix(".log")
    with log.open("wb") as file:
        command = [sys.executable, "-m", "wasserflow.cli", *words, "--out", str(out)]
        run = subprocess.Popen(command, stderr=file, start_new_session=True, preexec_fn=_hearing)
    deadline = time.monotonic() + 120
    # The bar does not print every number.
    while not re.search(rf"\| [1-9]\d+/{_N // 2}", log.read_text(errors="replace")):
        assert run.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return run


def _hearing() -> None:
    # What runs in the background is deaf to Ctrl-C, and its children with it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("to_all", [False, True], ids=["first", "terminal"])
def test_both_leave_what_they_finished(tmp_path: Path, to_all: bool) -> None:
    model, out = toy_pair(tmp_path / "toy"), tmp_path / "run"
    run = started(model, out)
    try:
        (os.killpg if to_all else os.kill)(run.pid, signal.SIGINT)
        assert run.wait(60) == 130
        with pytest.raises(ProcessLookupError):
            os.killpg(run.pid, 0)  # nobody is left
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "interrupted"
    samples = dict(np.load(out / "samples.npz"))
    places, half = samples["places"], _N // 2
    first, second = (places < half).sum(), (places >= half).sum()
    assert min(first, second) > 0
    assert (places == np.r_[:first, half : half + second]).all()
    assert record["finished"] == first + second < _N
    assert record["evaluations"] == 100 * record["finished"]
    assert not list(out.glob("*part-*"))
    assert f"{first + second} of {_N} samples" in out.with_suffix(".log").read_text()

    pair, seeds = wf.zoo.load(model), wf.sample_seeds(0, _N)
    expected = pair.generator(pair.prior.sample(len(places), seeds[places])).detach()
    np.testing.assert_allclose(samples["before"], expected, atol=1e-6)

    words = ["refine", "--model", model, "--n", str(_N), "--batch-size", "1000", "--steps", "100", "--resume"]
    main([*words, "--out", str(out)])
    whole = dict(np.load(out / "samples.npz"))
    assert "places" not in whole
    expected = pair.generator(pair.prior.sample(_N, seeds)).detach()
    np.testing.assert_allclose(whole["before"], expected, atol=1e-6)
    np.testing.assert_allclose(whole["after"][places], samples["after"], atol=1e-4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_waits_for_a_node_that_never_starts_can_be_stopped(tmp_path: Path, number: signal.Signals) -> None:
    words = ["refine", "--model", toy_pair(tmp_path / "toy"), "--n", "4", "--out", str(tmp_path / "run")]
    log = tmp_path / "log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "wasserflow.cli", *words, "--num-nodes", "2"]
        run = subprocess.Popen(command, stderr=file, start_new_session=True, preexec_fn=_hearing)
    try:
        deadline = time.monotonic() + 60
        while "MEMBER: 1/2" not in log.read_text(errors="replace"):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        time.sleep(1.0)  # into the wait itself
        run.send_signal(number)
        assert run.wait(30) == 130
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    assert "interrupted while waiting for the other processes" in log.read_text()
